// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

/// A small ERC-20 for tests, which can be told to misbehave as tokens in the
/// world do. Anybody may mint and change its mode: it is worth nothing.
contract Token {
    event Transfer(address indexed from, address indexed to, uint256 value);

    uint8 constant HONEST = 0;
    uint8 constant REVERTS = 1; // as a paused token, or a blocked account
    uint8 constant ANSWERS_FALSE = 2; // and moves nothing
    uint8 constant ANSWERS_NOTHING = 3; // and moves, as USDT does on Ethereum
    uint8 constant ANSWERS_TWO = 4; // something that is not a bool

    string public symbol;
    uint8 public immutable decimals;
    uint8 public mode;
    mapping(address => uint256) public balanceOf;

    constructor(string memory symbol_, uint8 decimals_) {
        symbol = symbol_;
        decimals = decimals_;
    }

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function setMode(uint8 mode_) external {
        mode = mode_;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        require(mode != REVERTS, "stopped");
        if (mode == ANSWERS_FALSE) {
            return false;
        }
        require(balanceOf[msg.sender] >= value, "too little");
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        if (mode == ANSWERS_NOTHING) {
            assembly {
                return(0, 0)
            }
        }
        if (mode == ANSWERS_TWO) {
            assembly {
                mstore(0, 2)
                return(0, 32)
            }
        }
        return true;
    }
}
