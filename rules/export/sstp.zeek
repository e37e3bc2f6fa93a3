@load base/frameworks/notice
@load base/protocols/http
@load base/protocols/ssl
@load base/files/x509

module SSTPWarden;

export {
	redef enum Notice::Type += {
		## SSTP was read in clear.
		Confirmed,
		## The rules that held are enough for a suspicion together.
		Suspected,
	};

	type Rule: record {
		## In decibans: 10 is ten times likelier on SSTP than elsewhere.
		weight: int;
		proof: bool;
		about: string;
		## Of the first one must have held before, of the second none.
		requires: set[string] &optional;
		unless: set[string] &optional;
	};
}

# RULES

# What is known of a connection.
type State: record {
	score: int &default=0;
	held: set[string] &default=set();
	suspected: bool &default=F;
	confirmed: bool &default=F;
	asked: mime_header_list &optional;
	offers: set[string] &default=set();
};

redef record connection += {
	sstpwarden: State &optional;
};

function state(c: connection): State
	{
	if ( ! c?$sstpwarden )
		c$sstpwarden = State();
	return c$sstpwarden;
	}

function told(c: connection, note: Notice::Type, s: State)
	{
	local ids: vector of string = vector();
	for ( id in s$held )
		ids += id;
	sort(ids, strcmp);
	NOTICE([$note=note, $conn=c, $msg=fmt("SSTP: score %d", s$score), $sub=join_string_vec(ids, ", "), $identifier=c$uid]);
	}

function any_of(ids: set[string], others: set[string]): bool
	{
	for ( id in ids )
		if ( id in others )
			return T;
	return F;
	}

# A rule held.
function held(c: connection, id: string)
	{
	if ( id !in rules )
		return;
	local s = state(c);
	if ( id in s$held )
		return;
	local r = rules[id];
	if ( r?$requires && ! any_of(r$requires, s$held) )
		return;
	if ( r?$unless && any_of(r$unless, s$held) )
		return;
	add s$held[id];
	s$score += r$weight;
	if ( r$proof && ! s$confirmed )
		{
		s$confirmed = T;
		told(c, Confirmed, s);
		}
	else if ( s$score >= suspected && ! s$suspected && ! s$confirmed )
		{
		s$suspected = T;
		told(c, Suspected, s);
		}
	}

# The name is the other one; or below it, where that begins with a dot.
function named(name: string, other: string): bool
	{
	local n = to_lower(name);
	if ( ends_with(n, ".") )
		n = n[:-1];
	return n == other || ( starts_with(other, ".") && ends_with("." + n, other) );
	}

function any_named(cert: X509::Info, others: set[string]): bool
	{
	if ( ! cert?$san || ! cert$san?$dns )
		return F;
	for ( i in cert$san$dns )
		for ( other in others )
			if ( named(cert$san$dns[i], other) )
				return T;
	return F;
	}

function common_name(dn: string): string
	{
	local cn = find_last(dn, /CN=[^,]*/);
	return cn == "" ? "" : cn[3:];
	}

# A field has one of the names, compared without '-', '_' and case, and a value.
function has_field(fields: mime_header_list, names: set[string], value: pattern, least: count &default=0, most: count &default=2147483647): bool
	{
	for ( i in fields )
		{
		local f = fields[i];
		if ( gsub(to_lower(f$name), /[-_]/, "") !in names )
			next;
		local n = |f$value|;
		if ( n >= least && n <= most && value == to_lower(f$value) )
			return T;
		}
	return F;
	}

# The names of the fields as they were sent.
function field_order(fields: mime_header_list): string
	{
	local names: vector of string = vector();
	local i = 1;
	while ( i in fields )
		{
		names += fields[i]$original_name;
		++i;
		}
	return join_string_vec(names, ",");
	}

# HANDLERS

event http_all_headers(c: connection, is_orig: bool, hlist: mime_header_list)
	{
	if ( ! c?$http || ! c$http?$method )
		return;
	local path = c$http?$uri ? split_string1(c$http$uri, /\?/)[0] : "";
	local s = state(c);
	if ( is_orig )
		{
		s$asked = hlist;
		request(c, c$http$method, path, hlist);
		}
	else if ( s?$asked && c$http?$status_code && c$http?$status_msg )
		response(c, c$http$method, path, s$asked, hlist);
	}

event ssl_extension_application_layer_protocol_negotiation(c: connection, is_client: bool, protocols: string_vec)
	{
	local s = state(c);
	for ( i in protocols )
		{
		if ( is_client )
			add s$offers[protocols[i]];
		else
			chosen(c, protocols[i]);
		}
	}

event ssl_server_hello(c: connection, version: count, record_version: count, possible_ts: time, server_random: string, session_id: string, cipher: count, comp_method: count)
	{
	local name = c?$ssl && c$ssl?$server_name ? c$ssl$server_name : "";
	hellos(c, name, state(c)$offers, SSL::cipher_desc[cipher]);
	}

event ssl_established(c: connection)
	{
	if ( ! c?$ssl || ! c$ssl?$cert_chain || |c$ssl$cert_chain| == 0 || ! c$ssl$cert_chain[0]?$x509 )
		return;
	certificate(c, c$ssl$cert_chain[0]$x509);
	}
