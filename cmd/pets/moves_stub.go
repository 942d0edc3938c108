package main

import "github.com/spf13/cobra"

// walletMoves are the subcommands of pets wallet that move money or register.
func (*app) walletMoves() []*cobra.Command { return nil }

// coldMoves are the subcommands of pets cold that speak to the server.
func (*app) coldMoves() []*cobra.Command { return nil }
