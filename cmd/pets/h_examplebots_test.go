package main

var typescript once
