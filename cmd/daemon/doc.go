// Package daemon is what `sstpwarden proxy` and `sstpwarden nfq` have in common
// when they run: the configuration, policies and rules that can be reloaded,
// where events and decisions go, the log, metrics, the admin listener, systemd,
// and privileges.
//
// A service is put together so:
//
//	cfg, err := daemon.Load(path)           // flags go over it, then cfg.Check
//	d, err := daemon.New(ctx, *cfg, point)  // everything is open from here on
//	l, err := d.Listener("proxy", "tcp", ":3128")
//	d.OnReload("users", users.Reload, cfg.Proxy.Auth.File)
//	err = daemon.DropPrivileges(cfg.User, keep)
//	err = d.Run(ctx, serve)                 // until ctx is done
//
// # Reload
//
// SIGHUP reloads everything that can be: policies with their data, rules, what
// [Daemon.OnReload] was told of, and files of events are opened anew. A change of
// a file reloads what depends on it. What does not load is logged and counted,
// and what was in force stays in force; no connection ends by it.
//
// # Stop
//
// When the context of [Daemon.Run] is done, that of the service's function is
// too: it takes no more connections and lets those that run end. After
// Config.StopTimeout the context that [Daemon.Hard] gives is done as well, and
// whatever still runs is cut. Then records are delivered.
//
// # Admin listener
//
//	/healthz      200 while the program lives: all that AddLive was told of
//	/readyz       200 while it serves: all that AddReady was told of. A reload
//	              that failed does not make it unready: it serves as before
//	/metrics      for Prometheus
//	/status       JSON for people and scripts
//	/debug/pprof  if it is switched on
//
// It is for this machine alone: loopback or a socket in the file system.
//
// # Metrics
//
//	sstpwarden_build_info{version,go_version,point}        1
//	sstpwarden_dry_run                                     1 if nothing is enforced
//	sstpwarden_policy_info{revision}                       1, the set in force
//	sstpwarden_policy_asked_total                          questions; what is foreseen is none
//	sstpwarden_policy_errors_total                         answers that did not come, with an error
//	sstpwarden_policy_timeouts_total                       answers that did not come in time
//	sstpwarden_policy_cache_hits_total                     answers that were known, since the set was loaded
//	sstpwarden_policy_cache_misses_total                   answers that were worked out, since the set was loaded
//	sstpwarden_policy_cache_entries                        answers known now
//	sstpwarden_rules_info{revision}                        1, the detection rules in force
//	sstpwarden_reloads_total{component,result}             result is success or failure
//	sstpwarden_reload_last_success_timestamp_seconds{component}
//	sstpwarden_reload_last_successful{component}           1 if the last reload was none that failed
//	sstpwarden_events_total{verdict,action}                events told; action may be ""
//	sstpwarden_records_written_total{record,destination}   record is events or decisions
//	sstpwarden_records_lost_total{record,destination}      not recorded, for whatever reason
//	sstpwarden_memory_servers                              remembered for weak connections
//	sstpwarden_memory_connections                          to them
//	sstpwarden_memory_evicted_servers_total                forgotten for want of room
//	sstpwarden_memory_evicted_connections_total            forgotten for want of room
//
// Beside them go_* and process_* of Prometheus' own library, and what services
// add ([Daemon.Registry]).
//
// # Log
//
// Keys are stable: error, component (what is reloaded), reason (why), revision,
// listener, address, destination, check, keys, timeout, version, dry_run.
// Messages are for people and may change.
//
// # Systemd
//
// [Unit] gives the units. Sockets that systemd passes are used by their names
// (FileDescriptorName=): admin for the admin listener, others as the service asks
// for them with [Daemon.Listener].
//
// The package does not handle connections: that is the services' matter.
package daemon
