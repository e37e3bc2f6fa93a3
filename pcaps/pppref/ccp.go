package pppref

import (
	"slices"

	"sstpwarden/inspect/ppp"
)

// ccp negotiates the Compression Control Protocol (RFC 1962) to no compression.
type ccp struct {
	link *Link
	self *protocol
	wishes
}

func (c *ccp) reset()                { c.wishes = slices.Clone(c.link.cfg.CCP) }
func (c *ccp) request() []ppp.Option { return c.wishes }

func (c *ccp) naked(o ppp.Option) *Error { return c.rejected(o.OptionType()) }

func (c *ccp) rejected(t uint8) *Error {
	c.drop(t)
	return nil
}

// confirmed finds a peer that would now compress what it sends.
func (c *ccp) confirmed() *Error {
	if len(c.wishes) > 0 {
		return failure(StepCCP, "no compression")
	}
	return nil
}

func (c *ccp) judge(ppp.Option) (verdict, ppp.Option, *Error) { return reject, nil, nil }
func (c *ccp) missing([]ppp.Option) []ppp.Option              { return nil }
func (c *ccp) granted([]ppp.Option)                           {}
func (c *ccp) up()                                            {}
func (c *ccp) down()                                          {}
func (c *ccp) finished()                                      {}
func (c *ccp) failed(err *Error)                              { c.self.close(err.Reason) }
