//go:build !linux

package matrix

import "context"

func openTransparent(context.Context, *Options, *Lab) (route, error) {
	return nil, &skipError{"needs Linux"}
}

func openRouter(context.Context, *Options, *Lab) (route, error) {
	return nil, &skipError{"needs Linux"}
}
