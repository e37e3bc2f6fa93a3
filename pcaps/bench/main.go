//go:debug cryptocustomrand=1

package main

func main() {}
