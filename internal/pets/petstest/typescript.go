package petstest

var Typescript once
