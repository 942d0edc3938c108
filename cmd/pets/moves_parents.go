package main

import "github.com/spf13/cobra"

func (a *app) walletCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "wallet", Short: "Wallets: register one, empty the hot ones after a breach", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.walletMoves()...)
	return c
}

func (a *app) coldCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "cold", Short: "Transfers of a cold wallet, whose key is on no machine with a network", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.coldMoves()...)
	return c
}
