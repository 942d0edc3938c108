-- The ledger of permits and fills in PostgreSQL. One row of each portfolio and of each bot is
-- locked by a trade; what else it writes is appended.
create table portfolio (
    id         int primary key,
    halted     boolean not null default false,
    cash       numeric(38, 19) not null,
    reserved   numeric(38, 19) not null default 0
) with (fillfactor = 50);

create table bot (
    portfolio  int not null references portfolio,
    id         int not null,
    running    boolean not null default true,
    capital    numeric(38, 19) not null,
    exposure   numeric(38, 19) not null default 0,
    primary key (portfolio, id)
) with (fillfactor = 50);

create table position (
    portfolio  int not null,
    bot        int not null,
    market     text not null,
    outcome    text not null,
    quantity   numeric(38, 19) not null,
    cost       numeric(38, 19) not null,
    primary key (portfolio, bot, market, outcome)
) with (fillfactor = 50);

create table permit (
    id         bigint generated always as identity primary key,
    portfolio  int not null,
    bot        int not null,
    market     text not null,
    outcome    text not null,
    quantity   numeric(38, 19) not null,
    price      numeric(38, 19) not null,
    filled     boolean not null default false,
    granted_at timestamptz not null default now()
);

create table fill (
    portfolio  int not null,
    bot        int not null,
    trade_id   text not null,
    permit     bigint not null,
    market     text not null,
    outcome    text not null,
    quantity   numeric(38, 19) not null,
    price      numeric(38, 19) not null,
    at         timestamptz not null default now(),
    primary key (portfolio, bot, trade_id)
);

-- trade checks the limits, permits the order, and records its fill. A repeat is ignored.
create function trade(p int, b int, m text, o text, q numeric, price numeric, trade text) returns bigint
language plpgsql as $$
declare
    most     numeric;
    exposed  numeric;
    granted  bigint;
    notional numeric := q * price;
begin
    -- The portfolio first, in every trade, so that no two wait for each other.
    perform 1 from portfolio where id = p and not halted and cash - reserved >= notional for update;
    if not found then
        raise exception 'denied: the portfolio is halted or has too little cash';
    end if;
    select capital, exposure into most, exposed from bot where portfolio = p and id = b and running for update;
    if not found or exposed + notional > most then
        raise exception 'denied: the bot is stopped or at its limit';
    end if;
    insert into permit (portfolio, bot, market, outcome, quantity, price, filled)
        values (p, b, m, o, q, price, true) returning id into granted;
    insert into fill (portfolio, bot, trade_id, permit, market, outcome, quantity, price)
        values (p, b, trade, granted, m, o, q, price) on conflict do nothing;
    if not found then
        raise exception 'repeated';
    end if;
    update portfolio set cash = cash - notional where id = p;
    update bot set exposure = exposure + notional where portfolio = p and id = b;
    insert into position as held values (p, b, m, o, q, notional)
        on conflict (portfolio, bot, market, outcome)
        do update set quantity = held.quantity + excluded.quantity, cost = held.cost + excluded.cost;
    return granted;
end $$;
