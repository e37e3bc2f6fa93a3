// Package pcaps audits captures: it reads files, finds the connections in
// them, has each inspected and judged by the policy, and hands on one event a
// connection.
//
// What comes out does not depend on how many workers there are: connections
// come in the order of their end in a file, files in the order given.
package pcaps
