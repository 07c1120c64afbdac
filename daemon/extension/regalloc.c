/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Linear scan (Poletto and Sarkar, 1999) over straight-line code, where a lifetime is an interval.
 * When registers run out, what is needed furthest from now goes to the stack, for all its life. A
 * second scan over those gives slots, so that lives that do not meet share one.
 * Weakness: an interval has no holes and is not split; rules are short.
 */
#include "extension/regalloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/cleanup.h"

struct life {
	int start; /* first instruction; -1: never used */
	int end;   /* last */
	int from;  /* copied from this virtual register at the start, or -1 */
	unsigned int rule;
	bool calls; /* a request lies strictly inside */
};

struct scan {
	const struct qos_ir *ir;
	struct life *lives;
	struct qos_place *places;
	int active[10]; /* virtual register in each BPF register, or -1 */
};

static const uint8_t pool[] = {2, 3, 4, 5, 9};

/* Only r9 outlives a call. */
static bool may_have(const struct life *life, uint8_t reg)
{
	return !life->calls || reg == 9;
}

static void touch(struct scan *scan, int reg, int at)
{
	struct life *life = &scan->lives[reg];

	if (life->start < 0) {
		life->start = at;
		life->rule = scan->ir->insns[at].rule;
	}
	life->end = at;
}

static void find_lives(struct scan *scan)
{
	const struct qos_ir *ir = scan->ir;
	int request = -1;

	for (int i = 0; i < ir->n_regs; i++)
		scan->lives[i] = (struct life){.start = -1, .from = -1};
	for (size_t i = 0; i < ir->n_insns; i++) {
		const struct qos_ir_insn *insn = &ir->insns[i];

		if (insn->src >= 0)
			touch(scan, insn->src, (int)i);
		if (insn->dst >= 0) {
			if (insn->kind == QOS_IR_MOV && scan->lives[insn->dst].start < 0)
				scan->lives[insn->dst].from = insn->src;
			touch(scan, insn->dst, (int)i);
		}
	}
	for (size_t i = 0; i < ir->n_insns; i++) {
		if (ir->insns[i].kind != QOS_IR_REQUEST)
			continue;
		request = (int)i;
		for (int reg = 0; reg < ir->n_regs; reg++)
			if (scan->lives[reg].start >= 0 && scan->lives[reg].start < request &&
			    scan->lives[reg].end > request)
				scan->lives[reg].calls = true;
	}
}

/* What ends where another begins has been read by then. */
static void expire(struct scan *scan, int at)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(pool); i++) {
		int reg = scan->active[pool[i]];

		if (reg >= 0 && scan->lives[reg].end <= at)
			scan->active[pool[i]] = -1;
	}
}

/* The register of what it is copied from, if that is free now; else any. 0: none. */
static uint8_t free_reg(const struct scan *scan, int reg)
{
	const struct life *life = &scan->lives[reg];
	uint8_t wish = life->from >= 0 ? scan->places[life->from].reg : 0;
	uint8_t found = 0;

	if (wish && scan->active[wish] < 0 && may_have(life, wish))
		return wish;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(pool); i++)
		if (!found && scan->active[pool[i]] < 0 && may_have(life, pool[i]))
			found = pool[i];
	return found;
}

/* The register whose value lives longest, if longer than ours. 0: ours does. */
static uint8_t victim(const struct scan *scan, int reg)
{
	int longest = scan->lives[reg].end;
	uint8_t found = 0;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(pool); i++) {
		int other = scan->active[pool[i]];

		if (other < 0 || !may_have(&scan->lives[reg], pool[i]) ||
		    scan->lives[other].end <= longest)
			continue;
		longest = scan->lives[other].end;
		found = pool[i];
	}
	return found;
}

static void place(struct scan *scan, int reg)
{
	uint8_t found = free_reg(scan, reg);

	if (!found) {
		found = victim(scan, reg);
		if (found)
			scan->places[scan->active[found]].reg = 0;
	}
	scan->places[reg].reg = found;
	if (found)
		scan->active[found] = reg;
}

/* Slots for what has no register, in order of start. */
static int place_slots(struct scan *scan, const int *order, int n, unsigned int *ret_rule)
{
	int until[QOS_REGALLOC_SLOTS]; /* last instruction of the slot's life */

	for (int i = 0; i < QOS_REGALLOC_SLOTS; i++)
		until[i] = -1;
	for (int i = 0; i < n; i++) {
		const struct life *life = &scan->lives[order[i]];
		int slot = 0;

		if (scan->places[order[i]].reg)
			continue;
		while (slot < QOS_REGALLOC_SLOTS && until[slot] >= life->start)
			slot++;
		if (slot == QOS_REGALLOC_SLOTS) {
			*ret_rule = life->rule;
			return -E2BIG;
		}
		until[slot] = life->end;
		scan->places[order[i]].offset = (int16_t)(-16 - 8 * slot);
	}
	return 0;
}

/* Virtual registers in order of their first instruction. Returns how many there are. */
static int order_by_start(const struct scan *scan, int *order)
{
	int n = 0;

	for (size_t i = 0; i < scan->ir->n_insns; i++) {
		int dst = scan->ir->insns[i].dst;

		if (dst >= 0 && scan->lives[dst].start == (int)i)
			order[n++] = dst;
	}
	return n;
}

int qos_regalloc(const struct qos_ir *ir, struct qos_place *places, unsigned int *ret_rule)
{
	size_t n_regs = (size_t)ir->n_regs + 1;
	_cleanup_free_ struct life *lives = calloc(n_regs, sizeof(*lives));
	_cleanup_free_ int *order = calloc(n_regs, sizeof(*order));
	struct scan scan = {.ir = ir, .lives = lives, .places = places};
	int n;

	if (!lives || !order)
		return -ENOMEM;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(scan.active); i++)
		scan.active[i] = -1;
	find_lives(&scan);
	n = order_by_start(&scan, order);
	for (int i = 0; i < n; i++) {
		expire(&scan, lives[order[i]].start);
		place(&scan, order[i]);
	}
	return place_slots(&scan, order, n, ret_rule);
}
