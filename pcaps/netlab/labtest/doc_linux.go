// Package labtest is what the tests of the built programs have in common: labs of a
// client, a router and a server (see pcaps/netlab), sstpwarden that runs in them, and
// SSTP servers and clients of sstplab. It is for tests alone.
//
//	func TestMain(m *testing.M) { labtest.Main(m) }
//
//	func TestDropped(t *testing.T) {
//		l := labtest.New(t)
//		w := l.Warden(l.Router, "nfq", "sstpwarden")
//		w.Ready()
//		v := l.VPN(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "443"})
//		c := v.Call(l.Client, "windows", v.Address(), "http://10.2.0.3/")
//		...
//	}
//
// What a helper cannot do, which a test does not expect to fail, ends the test.
package labtest
