package rules_test

import "math/rand/v2"

// asked makes a protocol in which the client asks and the server answers, each in a
// few lengths and some more.
func asked(first func(r *rand.Rand) []write, ask, answer func(r *rand.Rand) func() int) func(r *rand.Rand) func() []write {
	return func(r *rand.Rand) func() []write {
		a, b := ask(r), answer(r)
		return func() []write {
			return again(r, first(r), func() []write { return join(c(a()), s(b())) })
		}
	}
}

func few(most, lo, hi int) func(r *rand.Rand) func() int {
	return func(r *rand.Rand) func() int { return fixed(r, most, lo, hi) }
}

func spread(lo, hi int) func(r *rand.Rand) func() int {
	return func(r *rand.Rand) func() int { return func() int { return between(r, lo, hi) } }
}

func none(*rand.Rand) []write { return nil }

var messageServices = []service{
	{"MQTT", "", rarely, func(r *rand.Rand) func() []write {
		topic, spread := between(r, 6, 60), between(r, 1, 60)
		return func() []write {
			return again(r, join(c(between(r, 20, 140)), s(4), c(topic+7), s(5)), func() []write {
				return oneWrite(r, join(c(2), s(2), pause(between(r, 10, 60000))), c(topic+4+r.IntN(spread)), join(c(topic+6+r.IntN(spread)), s(4)), join(s(topic+6+r.IntN(spread)), c(4)))
			})
		}
	}},
	{"AMQP", "", rarely, func(r *rand.Rand) func() []write {
		body, key := between(r, 8, 200), between(r, 4, 40)
		return func() []write {
			return again(r, join(c(8), s(between(r, 300, 600)), c(between(r, 200, 400)), s(20), c(20, 16), s(13), c(13), s(16)), func() []write {
				return oneWrite(r, join(c(8), s(8), pause(between(r, 5000, 30000))), c(20+key, 22, 8+body), s(30+key, 22, 8+body), c(21), join(c(25+key), s(20+key)))
			})
		}
	}},
	{"Kafka", "", rarely, func(r *rand.Rand) func() []write {
		topic := between(r, 5, 40)
		return func() []write {
			return again(r, join(c(between(r, 30, 60)), s(between(r, 200, 500)), c(between(r, 30, 90)), s(between(r, 80, 400))), func() []write {
				return oneWrite(r, join(c(between(r, 60, 90)+topic), s(20+oneOf(r, 0, topic, between(r, 60, 900)))), join(c(about(r, 300)), s(40+topic)), join(c(50+topic), s(16)))
			})
		}
	}},
	{"NATS", "", rarely, func(r *rand.Rand) func() []write {
		subject := between(r, 4, 40)
		return func() []write {
			return again(r, join(c(between(r, 120, 400)), s(5), c(10+subject)), func() []write {
				return oneWrite(r, join(c(6), s(6)), join(s(6), c(6)), c(10+subject+about(r, 40)), s(12+subject+about(r, 40)))
			})
		}
	}},
	{"STOMP", "", rarely, asked(func(r *rand.Rand) []write { return join(c(between(r, 60, 140)), s(between(r, 80, 160))) }, spread(40, 260), spread(1, 200))},
	{"XMPP", "", bound{1, 10}, func(r *rand.Rand) func() []write {
		return func() []write {
			first := join(c(between(r, 130, 200)), s(between(r, 130, 500)), c(between(r, 60, 200)), s(between(r, 51, 100)), c(between(r, 130, 200)), s(between(r, 200, 500)))
			return again(r, first, func() []write {
				return oneWrite(r, c(1), join(c(between(r, 40, 80)), s(between(r, 50, 90))), s(about(r, 180)), c(about(r, 180)), join(s(between(r, 25, 40)), c(between(r, 25, 40))))
			})
		}
	}},
	{"IRC", "", bound{1, 10}, func(r *rand.Rand) func() []write {
		return func() []write {
			return again(r, join(c(12), c(between(r, 25, 60)), s(between(r, 40, 120)), s(about(r, 800))), func() []write {
				return oneWrite(r, join(s(between(r, 10, 30)), c(between(r, 10, 30))), s(between(r, 40, 300)), c(between(r, 12, 140)), join(c(between(r, 10, 25)), s(between(r, 30, 80))))
			})
		}
	}},
	{"a chat's long poll", "http/1.1", rarely, func(r *rand.Rand) func() []write {
		sync, answer := between(r, 300, 800), between(r, 160, 500)
		return func() []write { // Matrix
			return again(r, nil, func() []write {
				return oneWrite(r, join(c(sync), pause(between(r, 100, 30000)), s(answer+between(r, 60, 120))), join(c(sync), s(answer), s(about(r, 900))), join(c(sync+about(r, 120)), s(answer+between(r, 2, 60))))
			})
		}
	}},
	{"phones' push", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write { // protocol buffers with a tag and a length
			return again(r, join(c(between(r, 120, 420)), s(between(r, 10, 60))), func() []write {
				return oneWrite(r, join(c(between(r, 4, 14)), s(between(r, 4, 14)), pause(between(r, 1000, 60000))), join(s(about(r, 400)), c(between(r, 8, 40))))
			})
		}
	}},
	{"SIP", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			return again(r, nil, func() []write {
				return oneWrite(r, join(c(4), s(2)), join(c(between(r, 400, 900)), s(between(r, 300, 700))), join(s(between(r, 400, 1200)), c(between(r, 300, 500), between(r, 300, 500))))
			})
		}
	}},
	{"TURN", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write { // RFC 8656: 20 bytes and attributes; 4 around data
			first := join(c(28), s(between(r, 80, 120)), c(between(r, 100, 160)), s(between(r, 80, 132)), c(between(r, 100, 160)), s(52+8*r.IntN(2)))
			media := between(r, 40, 180)
			return either(r, first, .5, func() int { return oneOf(r, 4+media+r.IntN(30), 40+4*r.IntN(20), 28) }, func() int { return oneOf(r, 4+media+r.IntN(30), 40+4*r.IntN(20)) })
		}
	}},
	{"FIX", "", rarely, func(r *rand.Rand) func() []write {
		id := between(r, 10, 40)
		return func() []write {
			return either(r, join(c(90+id), s(90+id)), .5, func() int { return oneOf(r, 62+id+r.IntN(4), 140+id+r.IntN(60)) }, func() int { return oneOf(r, 62+id+r.IntN(4), 190+id+r.IntN(90)) })
		}
	}},
	{"mining", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write { // Stratum
			return again(r, join(c(between(r, 60, 300)), s(between(r, 80, 400)), c(between(r, 60, 160)), s(between(r, 36, 60))), func() []write {
				return oneWrite(r, s(between(r, 180, 500)), join(c(between(r, 90, 180)), s(between(r, 36, 70))))
			})
		}
	}},
}

var mailServices = []service{
	{"IMAP", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			return again(r, s(between(r, 60, 200)), func() []write {
				return oneWrite(r, join(c(between(r, 8, 60)), s(between(r, 18, 400))), join(c(between(r, 8, 20)), s(about(r, 4000))), join(c(11), s(10), pause(between(r, 100, 100000)), s(between(r, 12, 20)), c(6), s(between(r, 22, 40))))
			})
		}
	}},
	{"IMAP behind STARTTLS", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			return again(r, join(c(14), s(between(r, 100, 400))), func() []write {
				return oneWrite(r, join(c(between(r, 8, 60)), s(between(r, 18, 400))), join(c(between(r, 8, 20)), s(about(r, 4000))), join(c(11), s(10), s(between(r, 12, 20)), c(6), s(between(r, 22, 40))))
			})
		}
	}},
	{"POP3", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			return again(r, join(s(between(r, 20, 90)), c(6), s(between(r, 60, 140)), c(between(r, 12, 40)), s(5), c(between(r, 12, 40)), s(between(r, 5, 40))), func() []write {
				return oneWrite(r, join(c(6), s(between(r, 9, 20))), join(c(between(r, 8, 10)), s(about(r, 3000))), join(c(between(r, 8, 10)), s(between(r, 5, 40))))
			})
		}
	}},
	{"SMTP", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			return again(r, join(s(between(r, 30, 120)), c(between(r, 10, 60)), s(between(r, 100, 260)), c(between(r, 20, 60)), s(between(r, 18, 50))), func() []write {
				return join(c(between(r, 25, 80)), s(between(r, 8, 60)), c(between(r, 20, 60)), s(between(r, 8, 60)), c(6), s(between(r, 30, 50)), long(c, about(r, 3000)), c(5), s(between(r, 20, 80)))
			})
		}
	}},
	{"SMTP behind STARTTLS", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			return again(r, join(c(between(r, 10, 60)), s(between(r, 100, 260))), func() []write {
				return join(c(between(r, 25, 80)), s(between(r, 8, 60)), c(between(r, 20, 60)), s(between(r, 8, 60)), c(6), s(between(r, 30, 50)), long(c, about(r, 3000)), c(5), s(between(r, 20, 80)))
			})
		}
	}},
	{"FTP's control", "", rarely, asked(func(r *rand.Rand) []write { return join(c(between(r, 8, 30)), s(between(r, 20, 60))) }, spread(6, 60), spread(15, 90))},
}

var storeServices = []service{
	{"PostgreSQL", "", rarely, func(r *rand.Rand) func() []write {
		query, rows, base := fixed(r, 6, 14, 260), fixed(r, 6, 14, 300), between(r, 60, 140)
		return func() []write {
			first := join(c(base), s(24), c(between(r, 40, 80)), s(between(r, 90, 110)), c(110), s(between(r, 300, 450)))
			return again(r, first, func() []write { return join(c(query()+r.IntN(4)), s(rows()+r.IntN(8))) })
		}
	}},
	{"MySQL", "", rarely, func(r *rand.Rand) func() []write {
		query, rows := fixed(r, 8, 6, 200), fixed(r, 8, 7, 250)
		return func() []write {
			first := join(c(between(r, 90, 300)), s(between(r, 2, 11)), c(between(r, 6, 40)), s(between(r, 11, 200)))
			return again(r, first, func() []write { return join(c(query()+r.IntN(4)), s(rows()+r.IntN(8))) })
		}
	}},
	{"SQL Server", "", rarely, func(r *rand.Rand) func() []write {
		query, rows := fixed(r, 6, 30, 400), fixed(r, 6, 21, 400)
		return func() []write { // 8 bytes around each
			return again(r, join(c(between(r, 40, 100)), s(between(r, 40, 60)), c(between(r, 200, 420)), s(between(r, 300, 500))), func() []write { return join(c(query()), s(rows())) })
		}
	}},
	{"Redis", "", rarely, func(r *rand.Rand) func() []write {
		key, value := between(r, 14, 60), between(r, 1, 200)
		return func() []write {
			return again(r, join(c(between(r, 30, 80)), s(5)), func() []write {
				return oneWrite(r, join(c(14), s(7)), join(c(key+r.IntN(6)), s(oneOf(r, 4, 5, 8+r.IntN(value)))), join(c(key+r.IntN(value)), s(5)))
			})
		}
	}},
	{"MongoDB", "", rarely, asked(func(r *rand.Rand) []write { return join(c(between(r, 250, 400)), s(between(r, 200, 400))) }, few(5, 40, 400), few(5, 38, 400))},
	{"Cassandra", "", rarely, asked(func(r *rand.Rand) []write { return join(c(9), s(between(r, 60, 100)), c(31), s(9)) }, few(6, 9, 300), few(6, 9, 300))},
	{"memcached", "", rarely, asked(none, few(5, 8, 90), few(5, 5, 200))},
	{"ZooKeeper", "", rarely, func(r *rand.Rand) func() []write {
		path := between(r, 4, 60)
		return func() []write {
			return again(r, join(c(49), s(41)), func() []write {
				return oneWrite(r, join(c(12), s(20), pause(between(r, 500, 10000))), join(c(17+path), s(20+between(r, 4, 140))))
			})
		}
	}},
	{"LDAP", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			return again(r, join(c(between(r, 14, 120)), s(14)), func() []write {
				return oneWrite(r, join(c(between(r, 40, 200)), s(between(r, 14, 300), 14)), join(c(between(r, 40, 200)), s(14)), join(c(between(r, 14, 120)), s(14)))
			})
		}
	}},
	{"DNS", "dot", rarely, func(r *rand.Rand) func() []write {
		padded := r.IntN(2) == 0
		return func() []write {
			return either(r, c(between(r, 30, 80)), .5, func() int {
				if padded {
					return 130 // RFC 8467
				}
				return between(r, 30, 80)
			}, func() int {
				if padded {
					return 470
				}
				return between(r, 46, 250)
			})
		}
	}},
	{"logs", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write { // of RFC 5425, and such as are acknowledged in 6 bytes
			return again(r, nil, func() []write { return oneWrite(r, c(about(r, 220)), join(c(about(r, 900)), s(6))) })
		}
	}},
	{"RADIUS", "", rarely, asked(none, spread(38, 260), spread(20, 240))},
	{"Modbus", "", rarely, asked(none, few(3, 12, 20), few(4, 9, 120))},
	{"a block device", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write { // NBD: 28 bytes, answered by 16 and data
			return again(r, join(c(between(r, 20, 60)), s(between(r, 20, 60))), func() []write {
				return oneWrite(r, join(c(28), s(16), long(s, 4096)), join(c(28), long(c, 4096), s(16)), join(c(28), s(16)))
			})
		}
	}},
}

var remoteServices = []service{
	{"SSH inside", "", rarely, func(r *rand.Rand) func() []write {
		more := oneOf(r, 0, 0, 8, 20)
		return func() []write { // packets of 8 or 16 at a time, and a tag
			first := join(c(between(r, 20, 45)), s(between(r, 20, 45)), c(between(r, 900, 1600)), s(between(r, 400, 1100)), c(48), s(between(r, 300, 700)), c(16, 44+more), s(44+more), c(68+more), s(52+more))
			return either(r, first, .5, func() int { return more + oneOf(r, 36, 36, 44, 52, 84) }, func() int { return more + oneOf(r, 36, 36, 44, 52, 100, 148) })
		}
	}},
	{"RDP", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			first := join(c(between(r, 50, 90)), s(between(r, 150, 300)), c(between(r, 400, 700)), s(between(r, 80, 150)), c(between(r, 380, 500)), s(between(r, 80, 140)), c(12), c(8), s(11), c(12), s(15))
			return either(r, first, .5, func() int { return oneOf(r, 8, 12, 15, 21, 40) }, func() int { return about(r, 90) })
		}
	}},
	{"a screen", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write { // RFC 6143
			return again(r, join(s(12), c(12), s(2), c(1), s(16), c(16), s(4), c(1), s(between(r, 28, 60)), c(20, between(r, 24, 64), 10)), func() []write {
				return oneWrite(r, c(8), c(6), c(10), s(4+12+about(r, 200)), s(4+12+between(r, 4, 60)), long(s, about(r, 9000)))
			})
		}
	}},
	{"a terminal", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write {
			return again(r, join(s(between(r, 12, 30)), c(between(r, 12, 40))), func() []write {
				return oneWrite(r, join(c(1), s(1)), join(c(1), s(1)), join(c(2), s(2), s(about(r, 300))))
			})
		}
	}},
	{"a protocol of few lengths", "", bound{1, 3}, func(r *rand.Rand) func() []write {
		up, down, a, b := fixed(r, 6, 1, 160), fixed(r, 6, 1, 160), between(r, 10, 500), between(r, 10, 500)
		return func() []write { return either(r, join(c(a), s(b)), .5, up, down) }
	}},
	{"a protocol of short messages", "", bound{3, 2}, func(r *rand.Rand) func() []write {
		up, down, a, b := between(r, 4, 100), between(r, 4, 100), between(r, 10, 500), between(r, 10, 500)
		return func() []write {
			return either(r, join(c(a), s(b)), .5, func() int { return up + r.IntN(40) }, func() int { return down + r.IntN(40) })
		}
	}},
}

// frames are those of a VPN: packets as they are in IP, with so many bytes in front.
func frames(r *rand.Rand, more int, first []write) []write {
	packet := func() int { return more + oneOf(r, 40, 52, 60, 64, between(r, 60, 140), between(r, 140, 800), 1300) }
	return either(r, first, .5, packet, packet)
}

var tunnelServices = []service{
	{"AnyConnect", "", rarely, func(r *rand.Rand) func() []write {
		ask, answer := between(r, 350, 800), between(r, 500, 1500)
		return func() []write { // draft-mavrogiannopoulos-openconnect: 8 bytes in front
			if r.IntN(2) == 0 { // the packets go by DTLS
				return again(r, join(c(ask), s(answer)), func() []write { return join(pause(30000), c(8), s(8)) })
			}
			return frames(r, 8, join(c(ask), s(answer)))
		}
	}},
	{"AnyConnect, behind its login", "", rarely, func(r *rand.Rand) func() []write {
		ask, answer := between(r, 350, 800), between(r, 500, 1500)
		return func() []write {
			return frames(r, 8, join(c(between(r, 300, 700)), s(between(r, 300, 500), about(r, 900)), c(between(r, 300, 700)), s(between(r, 300, 500), about(r, 700)), c(ask), s(answer)))
		}
	}},
	{"GlobalProtect", "", rarely, func(r *rand.Rand) func() []write {
		ask := between(r, 150, 300)
		return func() []write { // 16 bytes in front, keep-alives of 16
			return again(r, join(c(ask), s(12)), func() []write {
				return oneWrite(r, join(pause(10000), c(16), s(16)), frames(r, 16, nil))
			})
		}
	}},
	// PPP in another head: to the block nothing tells it from SSTP.
	{"Fortinet", "", bound{1, 1000}, func(r *rand.Rand) func() []write {
		ask := between(r, 120, 300)
		return func() []write { // PPP with 6 bytes in front of frames, and no answer to the request
			first := join(c(ask), c(6+oneOf(r, 14, 16, 18, 20)), s(6+oneOf(r, 14, 16, 18, 20)), s(6+oneOf(r, 14, 16)), c(6+oneOf(r, 14, 16, 18)), c(6+between(r, 12, 36)), s(6+between(r, 12, 36)), s(6+12), c(6+12))
			return frames(r, 8, first)
		}
	}},
	{"F5", "", bound{20, 1000}, func(r *rand.Rand) func() []write {
		ask, answer := between(r, 180, 420), between(r, 90, 260)
		return func() []write { // PPP with 4 bytes in front of frames
			a, b := 4+between(r, 12, 30), 4+between(r, 12, 30)
			return frames(r, 6, join(c(ask), s(answer), c(a), s(b), s(a), c(b), c(4+between(r, 12, 36)), s(4+between(r, 12, 36)), s(4+12), c(4+12)))
		}
	}},
	{"Pulse", "", rarely, func(r *rand.Rand) func() []write {
		ask, answer := between(r, 180, 400), between(r, 90, 200)
		return func() []write { // TNC IF-T: 16 bytes in front
			return frames(r, 16, join(c(ask), s(answer), c(20), s(24), c(between(r, 60, 140)), s(between(r, 80, 400)), c(between(r, 60, 300)), s(about(r, 900))))
		}
	}},
	{"SoftEther's own", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write { // Ethernet frames, several in a block
			return again(r, join(c(between(r, 1200, 2400)), s(between(r, 400, 900)), c(between(r, 600, 1200)), s(between(r, 1000, 2200))), func() []write {
				return oneWrite(r, c(8+between(r, 60, 140)), s(8+between(r, 60, 140)), c(4+r.IntN(512)), s(4+r.IntN(512)), s(4+3*1460))
			})
		}
	}},
	{"OpenVPN inside", "", rarely, func(r *rand.Rand) func() []write {
		auth := oneOf(r, 0, 28, 40)
		return func() []write { // 2 bytes in front of packets
			first := join(c(16+auth), s(28+auth), c(24+auth), c(auth+between(r, 200, 320)), s(24+auth), s(between(r, 1100, 1300)), c(24+auth), s(between(r, 300, 1200)), c(24+auth))
			return frames(r, oneOf(r, 26, 30), first)
		}
	}},
	{"SOCKS inside", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write { // RFC 1928, and a web session in TLS
			more, d := innerHandshake(r)
			return again(r, join(c(3), s(2), c(between(r, 10, 60)), s(10), d), func() []write {
				return within(more, join(c(between(r, 120, 700)), s(between(r, 100, 600)), s(about(r, 2000))))
			})
		}
	}},
	{"a proxy with a password in front", "", rarely, func(r *rand.Rand) func() []write {
		return func() []write { // Trojan: 56 bytes, an address, and what follows at once
			more, d := innerHandshake(r)
			d[0].bytes += between(r, 68, 100)
			return again(r, d, func() []write {
				return within(more, join(c(between(r, 30, 700)), s(between(r, 40, 600)), s(about(r, 2000))))
			})
		}
	}},
}

// proxied carries a service in TLS through a proxy that is itself reached by TLS.
func proxied(x service) service {
	return service{"in TLS in TLS: " + x.name, "", x.most, func(r *rand.Rand) func() []write {
		ask, answer, inner := between(r, 80, 400), between(r, 39, 140), x.make(r)
		return func() []write {
			more, d := innerHandshake(r)
			return join(c(ask), s(answer), d, within(more, inner()))
		}
	}}
}
