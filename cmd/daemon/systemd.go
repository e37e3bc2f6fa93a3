package daemon

import (
	"context"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// notify tells systemd, if that started us and wants to know.
func (d *Daemon) notify(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		d.log.Warn("systemd could not be told", "error", err)
	}
}

// feedWatchdog tells systemd that the service lives, as long as it does.
func (d *Daemon) feedWatchdog(ctx context.Context) {
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		d.log.Warn("the watchdog is not fed: systemd's settings cannot be read", "error", err)
	}
	if err != nil || interval == 0 {
		return
	}
	every := interval / 3 // so that one that comes late does no harm
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if failed := d.alive.run(every); len(failed) == 0 {
			d.notify(systemd.SdNotifyWatchdog)
		} else {
			for _, f := range failed {
				d.log.Error("the watchdog is not fed", "check", f.name, "error", f.err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
