/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of contracts with `placement: user`. What stands in a slot then is not the contract's rules but
 * one fixed program, whatever the rules say: it copies the event into the contract's own ring buffer
 * and goes on to the guard, with nothing to ask for. So queue, chain, ticks and counters are the same
 * under both placements. What the rules want comes back from a process; the daemon judges it here, with
 * the guard's functions on the guard's tables.
 *
 * The program is written as instructions: it differs in two descriptors, a number and a size, and to
 * load it by libbpf would mean to read the kernel's BTF for each contract.
 *
 * Weakness: an event for which the ring has no room is lost (and counted): a rule that counts events
 * counts too few then.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "guard.bpf.h"
#include "kern/chain_parts.h"
#include "kern/probe.h"

#define RAW_INSN(CODE, DST, SRC, OFF, IMM)                                                         \
	((struct bpf_insn){                                                                        \
		.code = (CODE), .dst_reg = (DST), .src_reg = (SRC), .off = (OFF), .imm = (IMM)})
#define MOV(dst, src)	     RAW_INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOV_IMM(dst, imm)    RAW_INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define ADD_IMM(dst, imm)    RAW_INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define PUT32(dst, off, imm) RAW_INSN(BPF_ST | BPF_W | BPF_MEM, dst, 0, off, imm)
#define PUT64(dst, off, imm) RAW_INSN(BPF_ST | BPF_DW | BPF_MEM, dst, 0, off, imm)
#define CALL(helper)	     RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define UNLESS_ZERO(reg, n)  RAW_INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, n, 0)
#define IF_ZERO(reg, n)	     RAW_INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, n, 0)
#define EXIT		     RAW_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MAP(dst, fd)                                                                               \
	RAW_INSN(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd), RAW_INSN(0, 0, 0, 0, 0)
#define AT(member) offsetof(struct qos_rules_frame, member)
#define MISSED_ID  ((int)QOS_RULES_ATTRIBUTE_ID(QOS_RULES_MISSED, 0))

struct forward {
	int frame_fd;
	int ring_fd;
	int guard_fd;
	uint32_t program;
	size_t bytes;
};

/* r6 the context, r7 the frame. */
static int load(const struct forward *forward, const struct qos_prog_type *type)
{
	const struct bpf_insn insns[] = {
		MOV(6, 1),
		PUT32(10, -4, 0),
		MAP(1, forward->frame_fd),
		MOV(2, 10),
		ADD_IMM(2, -4),
		CALL(BPF_FUNC_map_lookup_elem),
		UNLESS_ZERO(0, 2),
		MOV_IMM(0, 0),
		EXIT,
		MOV(7, 0),
		PUT32(7, AT(program), (int)forward->program),
		PUT64(7, AT(n_requests), 0),
		MAP(1, forward->ring_fd),
		MOV(2, 7),
		MOV_IMM(3, (int)forward->bytes),
		MOV_IMM(4, 0),
		CALL(BPF_FUNC_ringbuf_output),
		IF_ZERO(0, 4),
		PUT64(7, AT(request[0].wanted), 1),
		PUT64(7, AT(request[0].attribute), MISSED_ID),
		PUT64(7, AT(request[0].value), 1),
		PUT64(7, AT(n_requests), 1),
		MOV(1, 6),
		MAP(2, forward->guard_fd),
		MOV_IMM(3, QOS_RULES_GUARD),
		CALL(BPF_FUNC_tail_call),
		MOV_IMM(0, 0),
		EXIT,
	};
	struct bpf_prog_load_opts opts = {
		.sz = sizeof(opts),
		.attempts = 5,
		.expected_attach_type = type->attach_btf_id ? BPF_TRACE_RAW_TP : 0,
		.attach_btf_id = type->attach_btf_id,
	};
	int fd = bpf_prog_load(type->attach_btf_id ? BPF_PROG_TYPE_TRACING
						   : BPF_PROG_TYPE_RAW_TRACEPOINT,
			       "qos_forward", "GPL", insns, QOS_ARRAY_SIZE(insns), &opts);

	return fd < 0 ? -errno : fd;
}

static int make_ring(struct qos_chain_entry *entry)
{
	int fd;

	if (entry->ring_fd >= 0)
		return 0;
	fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "qos_forward", 0, 0, QOS_CHAIN_RING_BYTES, NULL);
	if (fd < 0)
		return -errno;
	entry->ring_fd = fd;
	return 0;
}

static int complain(struct qos_diag *diag, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice("bpf(PROG_LOAD)", -error);

	qos_diag_error(diag, NULL, "events cannot be handed to a process: %s: %s", strerror(-error),
		       advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
	return error;
}

int qos_chain_forward(struct qos_chain *chain, uint32_t number, enum qos_chain_lane lane,
		      uint32_t program, size_t n_streams, struct qos_diag *diag, uint32_t *slot)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	bool raw = lane == QOS_CHAIN_RAW;
	struct qos_prog_type type = chain->type;
	struct forward forward = {
		.frame_fd = raw ? chain->parts.frame_raw_fd : chain->parts.frame_fd,
		.guard_fd = raw ? chain->parts.guard_raw_fd : chain->parts.guard_fd,
		.program = program,
		.bytes = sizeof(struct qos_rules_input) +
			 n_streams * sizeof(struct qos_rules_stream),
	};
	_cleanup_close_ int fd = -1;
	int r;

	if (!entry || !n_streams || n_streams > QOS_RULES_STREAMS_MAX)
		return -EINVAL;
	r = make_ring(entry);
	if (r < 0)
		return complain(diag, r);
	forward.ring_fd = entry->ring_fd;
	type.attach_btf_id = raw ? 0 : type.attach_btf_id;
	fd = load(&forward, &type);
	return fd < 0 ? complain(diag, fd) : qos_chain_put(chain, number, lane, fd, diag, slot);
}

int qos_chain_ring_fd(struct qos_chain *chain, uint32_t number)
{
	const struct qos_chain_entry *entry = qos_chain_entry(chain, number);

	return entry ? entry->ring_fd : -1;
}

int qos_chain_state_fd(struct qos_chain *chain, uint32_t number)
{
	const struct qos_chain_entry *entry = qos_chain_entry(chain, number);

	return entry ? entry->state_fd : -1;
}

/* --- what comes back --- */

static enum qos_verdict set(struct qos_chain *chain, struct qos_guard_contract *contract,
			    const struct qos_chain_wish *wish, struct qos_change *change)
{
	struct qos_attribute *attribute =
		&chain->parts.tables->attributes[contract->first + change->index];
	struct qos_pool *pool = &chain->parts.tables->pools[attribute->pool];
	struct guard_claim claim;
	enum qos_verdict verdict;

	verdict = (enum qos_verdict)guard_claim(attribute, pool, wish->value, wish->now_ns, &claim);
	if (verdict != QOS_VERDICT_SET)
		return verdict;
	if (!guard_commit(attribute, pool, &claim))
		return QOS_REFUSED_BUSY;
	guard_return(pool, &claim);
	change->type = QOS_CHANGE_VALUE;
	change->stream = attribute->stream;
	change->old = claim.old;
	change->value = claim.value;
	return QOS_VERDICT_SET;
}

static enum qos_verdict emit(struct qos_guard_contract *contract, uint64_t now_ns,
			     struct qos_change *change)
{
	if (change->index >= contract->n_signals)
		return QOS_REFUSED_OWNER;
	if (now_ns < contract->signal_next_ns)
		return QOS_VERDICT_MUTED;
	contract->signal_next_ns = now_ns + QOS_SIGNAL_GAP_NS;
	change->type = QOS_CHANGE_SIGNAL;
	return QOS_VERDICT_EMIT;
}

/* As qos_judge of the programs; whoever is muted is not heard. */
enum qos_verdict qos_chain_request(struct qos_chain *chain, uint32_t number,
				   const struct qos_chain_wish *wish, struct qos_change *ret)
{
	struct qos_guard_contract *contract;
	enum qos_verdict verdict = QOS_REFUSED_OWNER;
	uint64_t kind = wish->attribute >> 16, index = wish->attribute & 0xffff;

	*ret = (struct qos_change){
		.contract = number, .index = (uint32_t)index, .now_ns = wish->now_ns};
	if (!qos_chain_entry(chain, number))
		return QOS_REFUSED_OWNER;
	contract = &chain->parts.tables->contracts[number];
	if (contract->muted)
		return QOS_REFUSED_HELD;
	if (kind == QOS_RULES_EMIT)
		verdict = emit(contract, wish->now_ns, ret);
	else if (index < contract->n_attributes &&
		 kind == chain->parts.tables->attributes[contract->first + index].kind)
		verdict = set(chain, contract, wish, ret);
	count(&contract->requests, 1);
	count(&contract->verdicts[verdict], 1);
	return verdict;
}
