/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * qosd-sandbox: the rules of one contract with `placement: user`. Started by the daemon, shut in already
 * (kern/sandbox.h); reads the contract, compiles it as far as to trees, shuts the last door, and from
 * then on evaluates each event with the reference interpreter and says what the rules want.
 *
 * A program of its own, and not the daemon once more: it maps nothing that it does not need, links
 * nothing but the contract's and the rules' parsers, and lives in 16 MiB of address space. State is in
 * the map that rules in the kernel have theirs in, so it outlives this process, and goes on in the next
 * version of the contract by the same means.
 *
 * An event is taken out of the ring after what it wants was sent: who is killed in between has it
 * evaluated once more by the next one, never lost.
 */
#include <linux/types.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/bpf.h>

#include "contract/parse.h"
#include "extension/compile.h"
#include "extension/eval.h"
#include "extension/talk.h"
#include "sandbox/confine.h"
#include "util/cleanup.h"

struct sandbox {
	size_t n_state;
	size_t n_keys;
	size_t ring_bytes;
	struct qos_compiled *compiled;
	uint64_t *state; /* n_keys + 1 times n_state words */
	/* the ring buffer, as bpf(2) has it: two pages with positions, then the data, twice */
	_Atomic unsigned long *consumer;
	_Atomic unsigned long *producer;
	const uint8_t *data;
};

static struct qos_rules_frame frame;
static struct qos_talk talk;

/* --- before the last door --- */

static bool number(const char *text, size_t most, size_t *ret)
{
	char *rest;
	unsigned long value = strtoul(text, &rest, 10);

	*ret = value;
	return *text && !*rest && value <= most;
}

static struct qos_contract *read_contract(void)
{
	struct qos_text text = {.file = "contract"};
	struct qos_contract *contract = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	struct stat about;
	char *bytes;

	if (fstat(QOS_TALK_TEXT, &about) < 0 || about.st_size > QOS_DOC_BYTES_MAX)
		return NULL;
	bytes = malloc((size_t)about.st_size + 1);
	if (!bytes || read(QOS_TALK_TEXT, bytes, (size_t)about.st_size) != about.st_size)
		return NULL;
	close(QOS_TALK_TEXT);
	text.bytes = bytes;
	text.len = (size_t)about.st_size;
	if (qos_contract_parse_text(&text, 1, &diag, &contract) < 0)
		return NULL;
	return contract; /* as long as the process, like the text */
}

static int compile(struct sandbox *sandbox)
{
	const struct qos_contract *contract = read_contract();
	struct qos_diag diag = QOS_DIAG_INIT;

	if (!contract)
		return QOS_TALK_BAD_TEXT;
	if (qos_compile(contract, QOS_RULES_FRAME, QOS_STAGE_TYPES, &diag, &sandbox->compiled) < 0)
		return QOS_TALK_BAD_RULES;
	return sandbox->compiled->n_state == sandbox->n_state ? 0 : QOS_TALK_BAD_RULES;
}

static bool map_all(struct sandbox *sandbox)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t state = (sandbox->n_keys + 1) * sandbox->n_state * sizeof(*sandbox->state);
	uint8_t *rest;

	sandbox->consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, QOS_TALK_RING, 0);
	rest = mmap(NULL, page + 2 * sandbox->ring_bytes, PROT_READ, MAP_SHARED, QOS_TALK_RING,
		    (off_t)page);
	if (sandbox->consumer == MAP_FAILED || rest == MAP_FAILED)
		return false;
	sandbox->producer = (_Atomic unsigned long *)rest;
	sandbox->data = rest + page;
	if (!state)
		return true;
	sandbox->state = mmap(NULL, (state + page - 1) / page * page, PROT_READ | PROT_WRITE,
			      MAP_SHARED, QOS_TALK_STATE, 0);
	return sandbox->state != MAP_FAILED;
}

/* --- behind it --- */

static void say(void)
{
	if (send(QOS_TALK_SOCKET, &talk, qos_talk_size(&talk), MSG_NOSIGNAL) < 0)
		_exit(QOS_TALK_NO_DAEMON);
}

static void ask(void)
{
	talk = (struct qos_talk){.type = QOS_TALK_ASK};
	for (size_t i = 0; i < frame.n_requests; i++) {
		if (frame.request[i].wanted)
			talk.requests[talk.n++] = frame.request[i];
	}
	if (talk.n)
		say();
}

static void evaluate(struct sandbox *sandbox, const uint8_t *bytes, size_t size)
{
	const size_t head = sizeof(struct qos_rules_input);

	if (size < head || size > offsetof(struct qos_rules_frame, n_requests) ||
	    (size - head) % sizeof(struct qos_rules_stream))
		return;
	memcpy(&frame, bytes, size);
	if (frame.program >= sandbox->compiled->n_programs || frame.state > sandbox->n_keys)
		return;
	frame.n_requests = 0;
	qos_rules_eval(sandbox->compiled, frame.program, &frame,
		       sandbox->state + frame.state * sandbox->n_state);
	ask();
}

/* A record: a word with length and marks, one that is the kernel's, the bytes, up to eight. */
static bool next_event(struct sandbox *sandbox)
{
	unsigned long at = atomic_load_explicit(sandbox->consumer, memory_order_relaxed);
	const uint8_t *record;
	uint32_t word;

	if (at == atomic_load_explicit(sandbox->producer, memory_order_acquire))
		return false;
	record = sandbox->data + (at & (sandbox->ring_bytes - 1));
	word = atomic_load_explicit((const _Atomic uint32_t *)record, memory_order_acquire);
	if (word & BPF_RINGBUF_BUSY_BIT)
		return false;
	if (!(word & BPF_RINGBUF_DISCARD_BIT))
		evaluate(sandbox, record + BPF_RINGBUF_HDR_SZ, word);
	word &= ~BPF_RINGBUF_DISCARD_BIT;
	at += (word + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
	atomic_store_explicit(sandbox->consumer, at, memory_order_release);
	return true;
}

/* Without a message waiting it returns; a daemon that is gone ends the process. */
static void answer(void)
{
	ssize_t n = recv(QOS_TALK_SOCKET, &talk, sizeof(talk), MSG_DONTWAIT);

	if (n == 0)
		_exit(0);
	if (n < 0 || talk.type != QOS_TALK_PING)
		return;
	talk = (struct qos_talk){.type = QOS_TALK_PONG, .serial = talk.serial};
	say();
}

static _Noreturn void loop(struct sandbox *sandbox)
{
	struct pollfd wait[] = {{.fd = QOS_TALK_SOCKET, .events = POLLIN},
				{.fd = QOS_TALK_RING, .events = POLLIN}};

	for (;;) {
		poll(wait, QOS_ARRAY_SIZE(wait), -1);
		if (wait[0].revents)
			answer();
		while (next_event(sandbox))
			;
	}
}

int main(int argc, char **argv)
{
	struct sandbox sandbox = {};
	int r;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (argc != 5 || !number(argv[1], QOS_RULES_STATE_MAX, &sandbox.n_state) ||
	    !number(argv[2], 65536, &sandbox.n_keys) ||
	    !number(argv[3], 1 << 20, &sandbox.ring_bytes))
		return QOS_TALK_BAD_ARGUMENTS;
	r = compile(&sandbox);
	if (r)
		return r;
	if (!map_all(&sandbox))
		return QOS_TALK_NO_MEMORY;
	if (!strcmp(argv[4], "fresh"))
		atomic_store(sandbox.consumer, atomic_load(sandbox.producer));
	talk = (struct qos_talk){.type = QOS_TALK_READY,
				 .n = (__u32)sandbox.compiled->n_programs,
				 .serial = sandbox.n_state};
	if (qos_confine() < 0)
		return QOS_TALK_NO_FILTER;
	say();
	loop(&sandbox);
}
