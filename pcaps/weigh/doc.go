// Package weigh counts how often the detection rules hold on connections that
// are known to be SSTP and on others, and says what weights that allows.
//
// A weight is 10*log10 of a likelihood ratio: of how often a rule holds on SSTP
// to how often it holds elsewhere, among the connections on which it was asked.
// A rule that requires others is asked where one of them held, one that ends
// with others where none of them did: so what it adds to them is counted, not
// what they say together.
//
// Connections are not independent of each other: a program says the same hello
// each time, and a capture was made in one place. So there is one [Votes] vote
// for all connections of one kind, which counts as far as they agree. A kind is
//
//   - a pair of programs, client and server, where the capture's label tells
//     them, whatever the number of its captures;
//   - a pair of profiles of the reference endpoint;
//   - elsewhere the connections of one capture whose clients say the same hello
//     (JA4), which stands for the program.
//
// What the votes allow is an interval of 95 % ([Interval]). Nothing held nowhere
// does not make a ratio endless: it ends at what half a vote more would make of
// it.
package weigh

import "sstpwarden/inspect"

// Votes are those of package inspect, in which rules carry them.
type Votes = inspect.Votes
