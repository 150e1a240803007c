# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154 # the test that sources this has and reads some
#
# What the tests of HTTP servers share.
#
# A test is a function test_NAME, in the script that sources this, which ends with
#
#	tests='name other_name'
#	main "$@"
#
# It runs in a shell of its own, which stops at the first command that fails: then it
# has failed, and what the shell has traced is shown. It passes things on in files in
# $work. The script also has
#
#	prepare		what the tests need; the server is started by one of them
#	master		prints the process that is to be told what to do
#	end_signal	... to end, and do so when all is done
#	servers		prints the processes that serve
#	reload		has it do that with what is configured now, and returns when it
#			does so
#	has_connections N
#			has it so many, but for the one that it is asked with?
#
# Its server has the files in the folder $work/www, at 127.0.0.1:
#
#	port 8080	and there, at a megabyte a second, as /limited/FILE; has them put
#			and deleted as /put/FILE; what is below /mute/ it asks the socket
#			mute.sock
#	port 8443	the same with TLS and HTTP/2
#	port 8081	drops who is silent for 2 seconds, or 1 or 2 between requests

url=http://127.0.0.1:8080
tls_url=https://127.0.0.1:8443
each=100	# how many seconds a test may take
variant=${PWD##*/}

# shellcheck source-path=SCRIPTDIR source=cost.sh
. ../cost.sh

# --- Running --------------------------------------------------------------

# run_test NAME: sets $status, and $ms to how long it took.
run_test() {
	since=$(date +%s%3N)
	timeout -k 5 $each "$0" --run "$1" >"$work/trace" 2>&1
	status=$?
	ms=$(($(date +%s%3N) - since))
	[ $status != 124 ] || echo "it took more than $each s" >>"$work/trace"
}

# result NAME [WHY]: print it; why is why it has not been run.
result() {
	number=$((number + 1))
	if [ "$status" = 0 ]; then
		echo "ok $number $1${2:+ # SKIP $2}"
	else
		echo "not ok $number $1"
		failed=$((failed + 1))
	fi
}

# main [NAME...]: these tests or, without a name, all, and those of the program itself: there
# are $suite_size of them, of which suite prints the results. The load is whatever a test
# has written into the file $work/load, and costs are the lines of the file $work/costs.
main() {
	if [ "$1" = --run ]; then
		set -ex
		"test_$2"
		exit
	fi
	prepare || exit 1
	number=0 failed=0
	# shellcheck disable=SC2086 # a list of words
	if [ $# = 0 ]; then
		set -- $tests
	else
		suite_size=0
	fi
	echo "1..$(($# + suite_size))"
	for test; do
		run_test "$test"
		name=$(echo "$test" | tr _ -)
		echo "# $name: $ms ms"
		[ $status = 0 ] || tail -n 30 "$work/trace" | cut -c 1-300 | sed 's/^/# /'
		result "$name"
	done
	[ ! -s "$work/load" ] || sed 's/^/# load: /' "$work/load"
	[ ! -s "$work/costs" ] || sed 's/^/# cost: /' "$work/costs"
	[ $suite_size = 0 ] || suite
	[ $failed = 0 ]
}
suite_size=0

# refute COMMAND...: it has to fail. (The shell does not stop at a "!".)
refute() {
	! "$@"
}

# eventually COMMAND...: it has to succeed, some time.
eventually() {
	until "$@"; do
		sleep 0.05
	done
}

# finish PID...: each has to end well.
finish() {
	for pid; do
		wait "$pid"
	done
}

# --- Processes ------------------------------------------------------------

# Print what the process $1 waits in.
backend() {
	for fd in /proc/"$1"/fd/*; do
		case $(readlink "$fd") in
		/dev/kevent) echo kqueue ;;
		'anon_inode:[eventpoll]') echo epoll ;;
		esac
	done
}

# Print how many registrations the queues of the process $1 have.
registrations() {
	cat /proc/"$1"/fdinfo/* | grep -c -E '^(ident:|tfd: )'
}

# waits_right PID: in queues of the kind that it was built for only, for something.
waits_right() {
	[ "$(backend "$1" | sort -u)" = "$variant" ] && [ "$(registrations "$1")" -gt 0 ]
}

all_wait_right() {
	for pid in $(servers); do
		eventually waits_right "$pid"
	done
}

# Print how many descriptors the servers have.
descriptors() {
	for pid in $(servers); do
		ls "/proc/$pid/fd"
	done | wc -l
}

# settle: sets $before to how many descriptors the servers have without clients.
settle() {
	eventually has_connections 0
	before=$(descriptors)
}

# Have they as many again?
has_settled() {
	has_connections 0 && [ "$(descriptors)" = "$before" ]
}

is_gone() {
	[ ! -e "/proc/$1" ]
}

# took COMMAND...: sets $ms to how long.
took() {
	since=$(date +%s%3N)
	"$@"
	ms=$(($(date +%s%3N) - since))
}

# --- Clients --------------------------------------------------------------

# fetch URL [OPTION...]: print the body. Nobody has signed the server's certificate.
fetch() {
	curl -sS -f -k --max-time 90 "$@"
}

# same FILE URL [OPTION...]: that is what the URL has.
same() {
	file=$1
	shift
	fetch "$@" | cmp - "$file"
}

# same_many URL [OPTION...]: the same for all that the folder www/many has. Leaves in the
# file $work/connects, for each, the version of HTTP and how many connections were made.
same_many() {
	source=$1
	shift
	rm -rf "$work/many"
	mkdir "$work/many"
	for file in "$work"/www/many/*; do
		printf 'url = "%s/many/%s"\noutput = "%s/%s"\n' "$source" "${file##*/}" \
			"$work/many" "${file##*/}"
	done >"$work/list"
	fetch -K "$work/list" -w '%{http_version} %{num_connects}\n' "$@" >"$work/connects"
	diff -r "$work/www/many" "$work/many"
}

# each_way PATH [FILE...]: large files at the same time.
each_way() {
	path=$1 pids=
	shift
	for file in 65537 300000 3000000 8000000 "$@"; do
		same "$work/www/$file" "$url$path$file" &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086 # a list of words
	finish $pids
}

# drip FILE: copy the input, 200 kB every tenth of a second.
drip() {
	while dd bs=200k count=1 iflag=fullblock status=none >"$1" && [ -s "$1" ]; do
		cat "$1"
		sleep 0.1
	done
}

# slowly_each_way PATH...: by clients that read slowly.
slowly_each_way() {
	pids="" n=0
	for path; do
		n=$((n + 1))
		(fetch "$url${path}3000000" | drip "$work/drop.$n" |
			cmp - "$work/www/3000000") &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086 # a list of words
	took finish $pids
	[ $ms -ge 1000 ]
}

# put FILE URL [OPTION...]: it is there then.
put() {
	put_file=$1 put_url=$2
	shift 2
	fetch -T "$put_file" "$put_url" "$@"
	same "$put_file" "$put_url"
	fetch -X DELETE "$put_url"
}

# ask_for SECONDS CONNECTIONS URL FILE [OPTION...]: ask for it all the time. Every answer
# has to come, and to be FILE. Prints how many came, and how many in a second.
ask_for() {
	seconds=$1 connections=$2 target=$3 body=$4
	shift 4
	BODY=$body wrk -t 1 -d "${seconds}s" -c "$connections" --timeout 60s \
		-s ../http.lua "$@" "$target" | sed -n -E \
		's/^answers: ([1-9][0-9]*) right, 0 wrong, 0 lost, (.*) a second$/\1 \2/p' |
		grep .
}

# hammer ...: the same, but prints only how many came in a second.
hammer() {
	rate=$(ask_for "$@") && echo "${rate#* }"
}

# request REQUESTS CONNECTIONS PATH [OPTION...]: ask for a file until so many answers, or,
# as several come at once, a few more, are there. Prints how many.
request() {
	export REQUESTS="$1"
	connections=$2 path=$3
	shift 3
	answers=$(ask_for 10 "$connections" "$url$path" "$work/www/${path##*/}" "$@") &&
		echo "${answers% *}"
}

# cost WHAT REQUESTS CONNECTIONS PATH [OPTION...]: measure what such a request costs. For
# each connection, one more may have been answered than was counted: that is how far the
# numbers can be off, so there have to be far more requests.
cost() {
	what=$1 requests=$2
	shift 2
	measure_request "$what" "$requests" request "$@" >>"$work/costs"
}

# --- Tests ----------------------------------------------------------------

test_small_files() {
	for size in 0 1 1000 4095 4096 4097 16384 65537 300000; do
		same "$work/www/$size" "$url/$size"
	done
	refute fetch "$url/none"
	same "$work/www/1000" "$url/65537" -r 64537-65536
}

test_large_files() {
	each_way / 30M
}

# Everybody gets what he has asked for, and not what others have.
test_many_at_once() {
	same_many "$url" -Z --parallel-max 50
}

# One after the other, through one connection.
test_keepalive() {
	same_many "$url"
	[ "$(grep -c '1$' "$work/connects")" = 1 ]
}

# All at once, through one connection.
test_pipelined() {
	for n in $(seq 100); do
		echo "file $n" >"$work/www/$n.txt"
		connection=keep-alive
		[ "$n" -lt 100 ] || connection=close
		printf 'GET /%s.txt HTTP/1.1\r\nHost: x\r\nConnection: %s\r\n\r\n' \
			"$n" $connection
	done >"$work/requests"
	nc 127.0.0.1 8080 <"$work/requests" | sed -n '/^file /p' >"$work/answers"
	seq 100 | sed 's/^/file /' | cmp - "$work/answers"
}

test_bodies() {
	for size in 0 1 4096 65537 3000000; do
		put "$work/www/$size" "$url/put/$size"
	done
}

test_bodies_at_once() {
	pids=
	for n in 1 2 3 4; do
		put "$work/www/300000" "$url/put/$n" &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086 # a list of words
	finish $pids
}

test_bodies_slow() {
	put "$work/www/300000" "$url/put/slow" --limit-rate 100k
}

test_tls() {
	same "$work/www/3000000" "$tls_url/3000000" --http1.1
	put "$work/www/300000" "$tls_url/put/tls" --http1.1
}

# Several through one connection.
test_http2() {
	same_many "$tls_url" --http2 -Z --parallel-max 50
	[ "$(grep -c '^2 1$' "$work/connects")" -le 100 ]
	[ "$(grep -c -v '^2 ' "$work/connects")" = 0 ]
}

test_slow_clients() {
	slowly_each_way / / /
}

# A request comes in small parts.
test_slow_request() {
	for part in 'GE' 'T /1000 HT' 'TP/1.0\r' '\nHost: x\r\n\r' '\n'; do
		printf %b "$part"
		sleep 0.2
	done | nc 127.0.0.1 8080 >"$work/answer"
	tail -c 1000 "$work/answer" | cmp - "$work/www/1000"
}

# abort_at PATH: clients go away in mid-answer.
abort_at() {
	for n in 1 2 3 4 5; do
		fetch "$url$1" | head -c 100000 | cmp -n 100000 - "$work/www/30M" &
	done
	wait
}

# Nothing is left of clients that have gone away.
test_aborts() {
	settle
	abort_at /30M
	eventually has_settled
}

# They go while they send.
test_abort_of_body() {
	settle
	for n in 1 2 3 4 5; do
		timeout 1 curl -sS --limit-rate 500k -T "$work/www/30M" "$url/put/$n" &
	done
	wait
	eventually has_settled
	[ -z "$(ls "$work/www/put")" ]
}

silent_client() {
	nc -d 127.0.0.1 8081
}

idle_client() {
	printf 'GET /1000 HTTP/1.1\r\nHost: x\r\n\r\n' | nc 127.0.0.1 8081
}

# Who does not ask is dropped in time: before the first request and after.
test_timeouts() {
	took silent_client
	[ $ms -ge 1900 ]
	[ $ms -le 5000 ]
	took idle_client
	[ $ms -ge 900 ]
	[ $ms -le 4000 ]
}

# Who does not read is dropped as well.
test_timeout_of_reader() {
	rm -f "$work/fifo"
	mkfifo "$work/fifo"
	printf 'GET /30M HTTP/1.0\r\n\r\n' | nc 127.0.0.1 8081 >"$work/fifo" &
	client=$!
	exec 8<"$work/fifo"
	eventually has_connections 1
	eventually has_connections 0
	kill $client
	exec 8<&-
}

# It goes while there is no answer yet: that is noticed at once, and passed on to the one
# that has been asked.
test_abort_before_the_answer() {
	settle
	rm -f "$work/mute.sock"
	(umask 0 && exec nc -l -U "$work/mute.sock" >"$work/asked") &
	asked=$!
	eventually [ -S "$work/mute.sock" ]
	curl -sS "$url/mute/1" &
	client=$!
	eventually grep -q '^GET /' "$work/asked"
	kill $client
	took finish $asked
	[ $ms -le 2000 ]
	eventually has_settled
}

# A reload waits for what is being served, and serves what comes then.
test_reload() {
	same "$work/www/3000000" "$url/limited/3000000" &
	client=$!
	eventually has_connections 1
	took reload
	[ $ms -ge 1000 ]
	finish $client
	same "$work/www/1000" "$url/1000"
	all_wait_right
}

# No request fails meanwhile.
test_reload_under_load() {
	hammer 2 10 "$url/4097" "$work/www/4097" -H 'Connection: close' &
	load=$!
	reloads=0
	while kill -0 $load; do
		reload
		reloads=$((reloads + 1))
	done
	finish $load
	[ $reloads -ge 2 ]
}

test_load() {
	rate=$(hammer 2 50 "$url/4097" "$work/www/4097")
	echo "$rate requests/s" >"$work/load"
}

# Very many connections, few of which have something to say at a time.
test_load_of_many() {
	hammer 1 1000 "$url/1" "$work/www/1"
}

# What requests cost can be measured: of 50 clients that ask again and again, or that
# connect for each request, and of 10 that get large files.
test_cost_keepalive() {
	cost '1 KiB, keep-alive' 20000 50 /1024
}

test_cost_connections() {
	cost '1 KiB, new connection each' 10000 50 /1024 -H 'Connection: close'
}

test_cost_large() {
	cost '3 MB' 400 10 /3000000
}

# It ends when the last client has got all.
test_end() {
	same "$work/www/3000000" "$url/limited/3000000" &
	client=$!
	eventually has_connections 1
	pid=$(master)
	kill -"$end_signal" "$pid"
	took eventually is_gone "$pid"
	[ $ms -ge 1000 ]
	finish $client
}

# --- Preparing ------------------------------------------------------------

# What the packages' own scripts would have done.
complete_root() {
	[ "$(command -v nc)" ] || ln -s "$(command -v nc.openbsd)" /usr/bin/nc
	grep -q ^nobody: /etc/passwd ||
		echo nobody:x:65534:65534:nobody:/:/bin/sh >>/etc/passwd
	grep -q ^nogroup: /etc/group || echo nogroup:x:65534: >>/etc/group
}

# make_certificate FILE: for TLS, with its key.
make_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-subj /CN=localhost -keyout "$1.key" -out "$1" 2>/dev/null
}

# make_files: in the folder www, what there is to fetch, no two parts of which are alike.
make_files() {
	rm -rf "${work:?}"/*
	mkdir -p "$work/www/many" "$work/www/put" && chown nobody "$work/www/put" &&
		head -c 30000000 /dev/urandom >"$work/www/30M" || return 1
	for size in 0 1 1000 1024 4095 4096 4097 16384 65537 300000 3000000 8000000; do
		tail -c $size "$work/www/30M" >"$work/www/$size" || return 1
	done
	(cd "$work/www/many" && head -c 3000000 ../30M | split -b 15000 -a 3 -d - n)
}
