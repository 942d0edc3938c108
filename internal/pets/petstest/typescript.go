package petstest

// Typescript is the example bot, built once.
var Typescript once
