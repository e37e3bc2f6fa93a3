// Package guard serves the HTTP/1.x of one client connection in such a way that
// every request head is read by inspect/httphead before net/http sees it.
//
// net/http cannot read SSTP, forgets the order and spelling of fields, answers
// 400 to targets that real clients send in a CONNECT, and is lenient where a proxy
// must not be. Its server is nevertheless the best there is for all that comes
// after a head. [Serve] therefore stands between the connection and net/http's
// server and hands the bytes over one request at a time:
//
//   - A head is delivered when it is whole, was found fit by
//     [httphead.Request.MustRefuse] and [Options.Judge] did not object. It goes as
//     sent, or as [httphead.Request.Append] writes it if anything in it was odd.
//     Of a path that net/url would not take the RequestURI has what was sent.
//   - Its body is delivered as it comes. Where it ends is found out here, from
//     Content-Length or by parsing the chunks, strictly.
//   - Nothing more is delivered until the response is finished. Then the next
//     head is looked for.
//
// So the handler gets the requests that the head reader saw and no others; should
// net/http ever come to another opinion, the connection ends. Responses are
// net/http's, untouched.
//
// A CONNECT, and a head for which Judge says [Take], is never given to net/http.
// All earlier responses are out by then; Serve returns the connection as [Taken],
// with what came behind the head.
//
// A handler that hijacks (a WebSocket) gets everything that was sent early. It
// must be done with the connection when it returns: the connection ends then.
//
// HTTP/2 is served by net/http if the connection has negotiated it (ALPN "h2"). There is no head to read in it and nothing to take: Judge is
// asked about each request, but can only let it be served or refuse it.
//
// # What ends a connection
//
// The client, of course; the handler by the usual means of net/http; a refusal,
// always after an answer unless a response is under way; the timeouts of
// [Options]; an error of the functions Read and Written; and the context. When
// the context is done, idle connections are closed at once and others when
// their current request has been answered; one that is not a second old may still
// bring its first. Closing the connection itself is safe at any time and ends all
// at once.
//
// A client that shuts down its sending side behind a request is still answered,
// however long the response is, as long as something is written to it every
// now and then.
//
// What the package does not do: accept, shake hands, limit the number of
// connections, log.
package guard
