// Package ja4 computes TLS fingerprints: JA3 and JA3S as Salesforce published
// them in 2017, and JA4 for clients over TCP as FoxIO published it in 2023.
// They tell TLS libraries and their settings apart, hence programs only as far
// as those differ.
//
// JA3 and JA3S are the MD5 of a list of what a hello says, in its own order.
// JA4 sorts cipher suites and extensions, since browsers shuffle them, and
// stays partly readable:
//
//	t13d1516h2_8daaf6152771_e5627efa2ab1
//	|| | | | |  |            `- extensions sorted, signature algorithms
//	|| | | | |  `- cipher suites sorted
//	|| | | | `- first protocol of ALPN, its first and last character
//	|| | | `- number of extensions
//	|| | `- number of cipher suites
//	|| `- d: with server_name, i: without
//	|`- highest version offered
//	`- over TCP
//
// GREASE values (RFC 8701) count nowhere. The other methods of the JA4+ suite
// are under another licence, and not here.
package ja4
