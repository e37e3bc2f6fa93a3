package rules_test

import "math/rand/v2"

// requestHead draws the length of a program's heads: bare ones of libraries, ones with
// a token, those of browsers.
func requestHead(r *rand.Rand) int {
	switch r.IntN(4) {
	case 0:
		return between(r, 80, 180)
	case 1:
		return between(r, 180, 420)
	case 2:
		return between(r, 420, 900)
	default:
		return about(r, 700)
	}
}

// responseHead draws the length of a server's heads: 38 bytes with a length alone, 108
// of Go's, more of others.
func responseHead(r *rand.Rand) int {
	switch r.IntN(5) {
	case 0:
		return between(r, 38, 60)
	case 1:
		return between(r, 64, 112)
	case 2:
		return between(r, 112, 180)
	default:
		return between(r, 180, 600)
	}
}

// upgrade is a WebSocket's: RFC 6455, Section 1.3. The least answer has 129 bytes.
func upgrade(r *rand.Rand) func() []write {
	request, response := between(r, 150, 700), 129
	switch r.IntN(4) {
	case 0:
	case 1: // a subprotocol, or compression
		response += between(r, 27, 60)
	default: // Date, Server and more
		response += between(r, 37, 200)
	}
	return func() []write { return join(c(request+r.IntN(4)), s(response)) }
}

// ws gives the writes of messages of a WebSocket: 6 bytes more of the client, 2 of the
// server, and 2 more each from 126 on.
func wsClient(n int) []write {
	if n > 125 {
		n += 2
	}
	return c(n + 6)
}

func wsServer(n int) []write {
	if n > 125 {
		n += 2
	}
	return s(n + 2)
}

// webSocket makes a WebSocket whose sides write when they like.
func webSocket(r *rand.Rand, byClient float64, client, server func() int) func() []write {
	up := upgrade(r)
	return func() []write {
		return again(r, up(), func() []write {
			if r.Float64() < byClient {
				return wsClient(client())
			}
			return wsServer(server())
		})
	}
}

var webServices = []service{
	{"HTTP API", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer, body := requestHead(r), responseHead(r), between(r, 2, 400)
		return func() []write {
			return again(r, nil, func() []write { return join(c(head+r.IntN(40)), s(answer+r.IntN(3)+r.IntN(body))) })
		}
	}},
	{"HTTP API, head and body apart", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer, ask, body := requestHead(r), responseHead(r), fixed(r, 8, 2, 200), fixed(r, 8, 2, 300)
		return func() []write {
			return again(r, nil, func() []write { return join(c(head+r.IntN(4), ask()), s(answer, body())) })
		}
	}},
	{"HTTP API, requests with an answer to be awaited", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer, body := requestHead(r)+24, responseHead(r), between(r, 2, 200)
		return func() []write { // RFC 9110, Section 10.1.1
			return again(r, nil, func() []write { return join(c(head), s(25), c(1+r.IntN(body)), s(answer+r.IntN(100))) })
		}
	}},
	{"HTTP, an appliance", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer, value := between(r, 60, 160), between(r, 38, 110), between(r, 1, 30)
		return func() []write {
			return again(r, nil, func() []write { return join(c(head+r.IntN(12)), s(answer+r.IntN(value))) })
		}
	}},
	{"HTTP, beacons", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer := requestHead(r), between(r, 27, 160)
		return func() []write {
			return again(r, nil, func() []write { return join(c(head+r.IntN(200)), s(answer), pause(between(r, 10, 20000))) })
		}
	}},
	{"HTTP, pages and what is in them", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer := between(r, 350, 1100), between(r, 180, 600)
		return func() []write {
			return again(r, nil, func() []write {
				switch r.IntN(4) {
				case 0: // 304
					return join(c(head+r.IntN(120)), s(answer-between(r, 20, 90)))
				case 1:
					return join(c(head+r.IntN(120)), s(answer+between(r, 40, 1200)))
				default:
					return join(c(head+r.IntN(120)), s(answer), long(s, about(r, 9000)))
				}
			})
		}
	}},
	{"HTTP, long poll", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer := requestHead(r), responseHead(r)
		return func() []write {
			return again(r, nil, func() []write {
				return join(c(head+r.IntN(3)), pause(between(r, 50, 30000)), s(answer+oneOf(r, 0, 2, between(r, 10, 300))))
			})
		}
	}},
	{"HTTP, server-sent events", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer, event := requestHead(r), responseHead(r)+28, between(r, 12, 160)
		return func() []write {
			return again(r, join(c(head), s(answer)), func() []write {
				return join(s(oneOf(r, 2, 7, event+r.IntN(60))), pause(between(r, 10, 15000)))
			})
		}
	}},
	{"HTTP, chunks apart from their sizes", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer := requestHead(r), responseHead(r)
		return func() []write {
			return again(r, nil, func() []write {
				d := join(c(head), s(answer))
				for range 1 + r.IntN(6) {
					d = join(d, s(between(r, 3, 5), between(r, 1, 200), 2))
				}
				return join(d, s(5))
			})
		}
	}},
	{"HTTP, uploads in chunks", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer := requestHead(r)+28, responseHead(r)
		return func() []write {
			return again(r, nil, func() []write {
				d := c(head)
				for range 1 + r.IntN(8) {
					d = join(d, c(3+between(r, 1, 300)+2))
				}
				return join(d, c(5), s(answer+r.IntN(80)))
			})
		}
	}},
	{"HTTP, both sides stream", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer := requestHead(r)+28, responseHead(r)
		up, down := between(r, 1, 80), between(r, 1, 200)
		return func() []write { // chunks of a request and of a response that began already
			return either(r, join(c(head), s(answer)), .5, func() int { return 5 + up + r.IntN(30) }, func() int { return 5 + down + r.IntN(60) })
		}
	}},
	{"HTTP, JSON-RPC in lines behind a head", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer := requestHead(r), responseHead(r)
		return func() []write {
			id := r.IntN(9)
			return again(r, join(c(head), s(answer)), func() []write {
				id++
				n := 1
				if id > 9 {
					n = 2
				}
				return join(c(34+n+r.IntN(60)), s(34+n+r.IntN(200)))
			})
		}
	}},
	{"HTTP, pictures in a stream", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, picture := requestHead(r), between(r, 4000, 60000)
		return func() []write {
			return again(r, join(c(head), s(between(r, 120, 400))), func() []write { return join(s(between(r, 60, 75)), long(s, about(r, picture))) })
		}
	}},
	{"DNS in HTTP", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		head, answer := between(r, 110, 260), between(r, 90, 260)
		return func() []write {
			return again(r, nil, func() []write { return join(c(head+between(r, 28, 70)), s(answer+between(r, 45, 250))) })
		}
	}},
	{"WebSocket, JSON", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up, down := between(r, 15, 150), between(r, 15, 400)
		return webSocket(r, .4, func() int { return about(r, up) }, func() int { return about(r, down) })
	}},
	{"WebSocket, short JSON", "http/1.1", bound{2, 3}, func(r *rand.Rand) func() []write {
		up, down := between(r, 6, 40), between(r, 10, 70)
		return webSocket(r, .5, func() int { return up + r.IntN(40) }, func() int { return down + r.IntN(40) })
	}},
	{"WebSocket, few lengths", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		return webSocket(r, .5, fixed(r, 6, 1, 90), fixed(r, 6, 1, 120))
	}},
	{"WebSocket, a game's ticks", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up, down := between(r, 1, 40), between(r, 8, 120)
		return webSocket(r, .5, func() int { return up + 4*r.IntN(2) }, func() int { return down + 8*r.IntN(8) })
	}},
	{"WebSocket, pings", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up, n := upgrade(r), between(r, 0, 20)
		return func() []write {
			return again(r, up(), func() []write { return join(wsServer(n), wsClient(n), pause(between(r, 1000, 30000))) })
		}
	}},
	{"WebSocket, Socket.IO", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up, name := upgrade(r), between(r, 3, 14)
		return func() []write {
			return again(r, join(up(), wsServer(between(r, 80, 130)), wsClient(2), wsServer(between(r, 30, 36))), func() []write {
				switch r.IntN(4) {
				case 0:
					return join(wsServer(1), wsClient(1), pause(between(r, 10, 25000)))
				case 1:
					return wsClient(4 + name + between(r, 3, 90))
				default:
					return wsServer(4 + name + between(r, 3, 300))
				}
			})
		}
	}},
	{"WebSocket, GraphQL", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up, query := upgrade(r), between(r, 120, 700)
		return func() []write {
			return again(r, join(up(), wsClient(26), wsServer(25), wsClient(query)), func() []write {
				return oneWrite(r, wsServer(between(r, 60, 600)), wsClient(15), wsServer(15), wsClient(query+r.IntN(30)))
			})
		}
	}},
	{"WebSocket, a screen", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up := upgrade(r)
		return func() []write { // RFC 6143: keys have 8 bytes, the pointer 6, asking for more 10
			return again(r, join(up(), wsServer(12), wsClient(12), wsServer(2), wsClient(1), wsServer(16), wsClient(16), wsServer(4), wsClient(1), wsServer(between(r, 28, 60)), wsClient(20), wsClient(between(r, 24, 64)), wsClient(10)), func() []write {
				return oneWrite(r, wsClient(8), wsClient(6), wsClient(10), wsServer(4+12+about(r, 200)), wsServer(4+12+between(r, 4, 60)), long(s, about(r, 9000)))
			})
		}
	}},
	{"WebSocket, a terminal", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up := upgrade(r)
		return func() []write { // a key, its echo, what a command prints
			return again(r, join(up(), wsClient(between(r, 20, 60)), wsServer(between(r, 10, 60)), wsServer(between(r, 20, 90))), func() []write {
				return oneWrite(r, join(wsClient(2), wsServer(2)), join(wsClient(2), wsServer(2)), join(wsClient(2), wsServer(3), wsServer(about(r, 300))))
			})
		}
	}},
	{"WebSocket, Guacamole", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up := upgrade(r)
		return func() []write {
			return again(r, up(), func() []write {
				return oneWrite(r, wsClient(between(r, 17, 19)), wsClient(between(r, 14, 22)), wsClient(between(r, 14, 16)), wsServer(between(r, 17, 19)), wsServer(about(r, 160)), wsServer(about(r, 2000)))
			})
		}
	}},
	{"WebSocket, MQTT", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up, topic := upgrade(r), between(r, 8, 60)
		return func() []write {
			return again(r, join(up(), wsClient(between(r, 20, 120)), wsServer(4), wsClient(topic+5), wsServer(5)), func() []write {
				return oneWrite(r, join(wsClient(2), wsServer(2)), wsClient(topic+between(r, 4, 60)), join(wsServer(topic+between(r, 4, 60)), wsClient(4)))
			})
		}
	}},
	{"WebSocket, STOMP", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up := upgrade(r)
		return func() []write {
			return again(r, join(up(), wsClient(between(r, 50, 90)), wsServer(between(r, 60, 100)), wsClient(between(r, 40, 80))), func() []write {
				return oneWrite(r, join(wsClient(1), wsServer(1)), wsServer(between(r, 120, 400)), wsClient(between(r, 60, 200)))
			})
		}
	}},
	{"WebSocket, a tunnel of datagrams", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up := upgrade(r)
		return func() []write { // WireGuard's 148, 92, 32 and packets of 16 at a time
			return again(r, join(up(), wsClient(148), wsServer(92), wsClient(32)), func() []write {
				return oneWrite(r, wsClient(32+16*between(r, 2, 8)), wsServer(32+16*between(r, 2, 8)), wsServer(1452), wsClient(1452), wsClient(32))
			})
		}
	}},
	{"WebSocket, 8 bytes and 46", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		up := upgrade(r)
		return func() []write { return again(r, up(), func() []write { return join(wsClient(8), wsServer(46)) }) }
	}},
	{"HTTP/2, gRPC", "h2", rarely, func(r *rand.Rand) func() []write {
		ask, answer, head := between(r, 0, 120), between(r, 0, 200), between(r, 120, 400)
		apart := r.IntN(2) == 0
		return func() []write {
			first := join(c(24+9+6*r.IntN(6)+13*r.IntN(2)), s(9+6*r.IntN(6)), s(9), c(9), c(head))
			return again(r, first, func() []write {
				a, b := 14+ask+r.IntN(8), 14+answer+r.IntN(20)
				up, down := c(between(r, 20, 60)+a), s(between(r, 14, 40)+b+between(r, 12, 40))
				if apart {
					up, down = c(between(r, 20, 60), a), s(between(r, 14, 40), b, between(r, 12, 40))
				}
				if r.IntN(6) == 0 {
					up, down = join(up, c(13, 17)), join(s(17), down)
				}
				return join(up, down)
			})
		}
	}},
	{"HTTP/2, gRPC in streams", "h2", bound{2, 1}, func(r *rand.Rand) func() []write {
		up, down, head := between(r, 0, 60), between(r, 0, 120), between(r, 120, 400)
		return func() []write {
			first := join(c(24+9+6*r.IntN(6)+13*r.IntN(2)), s(9+6*r.IntN(6)), s(9), c(9), c(head), s(between(r, 14, 80)))
			return again(r, first, func() []write {
				return oneWrite(r, c(14+up+r.IntN(6)), s(14+down+r.IntN(12)), c(14+up+r.IntN(6)), s(14+down+r.IntN(12)), join(c(13, 17), s(17)))
			})
		}
	}},
	{"HTTP/2, pages", "h2", rarely, func(r *rand.Rand) func() []write {
		head := between(r, 250, 700)
		return func() []write {
			first := join(c(24+27+13), c(head), s(9+18+13), c(9), s(9))
			return again(r, first, func() []write {
				d := c(between(r, 30, 140))
				for range r.IntN(4) {
					d = join(d, c(between(r, 30, 90)))
				}
				return join(d, s(between(r, 40, 220)), long(s, about(r, 7000)), oneWrite(r, c(13, 13), nil))
			})
		}
	}},
	{"HTTP/2, API", "h2", rarely, func(r *rand.Rand) func() []write {
		head, answer, body := between(r, 60, 400), between(r, 15, 140), between(r, 2, 300)
		return func() []write {
			first := join(c(24+27+13+head), s(9+18+13), c(9), s(9))
			return again(r, first, func() []write { return join(c(between(r, 15, 80)), s(answer, 9+r.IntN(body))) })
		}
	}},
	{"HTTP/2, pings and windows", "h2", bound{5, 1}, func(r *rand.Rand) func() []write {
		return func() []write {
			first := join(c(between(r, 60, 90)), c(between(r, 80, 400)), s(between(r, 15, 60)), s(9), c(9))
			return either(r, first, .5, func() int { return oneOf(r, 17, 13, 13, 26, 35) }, func() int { return oneOf(r, 17, 13, 48, 100, 9) })
		}
	}},
	{"HTTP/2, a WebSocket in it", "h2", rarely, func(r *rand.Rand) func() []write {
		up, down := between(r, 1, 60), between(r, 4, 120)
		return func() []write { // RFC 8441: 9 bytes around each message's
			first := join(c(24+27+13), c(between(r, 200, 500)), s(40), c(9), s(9), s(between(r, 20, 120)))
			return either(r, first, .5, func() int { return 15 + up + r.IntN(30) }, func() int { return 11 + down + r.IntN(60) })
		}
	}},
	{"HTTP/2, pushes to a phone", "h2", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			first := join(c(24+9+13+between(r, 60, 300)), s(between(r, 15, 60)), c(9), s(between(r, 30, 120)))
			return again(r, first, func() []write {
				return oneWrite(r, join(c(17), s(17), pause(between(r, 5000, 60000))), join(s(between(r, 60, 900)), c(between(r, 18, 60))))
			})
		}
	}},
}

// oneWrite picks one of several things to write.
func oneWrite(r *rand.Rand, d ...[]write) []write { return d[r.IntN(len(d))] }
