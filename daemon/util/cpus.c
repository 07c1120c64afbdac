/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of CPUs, in the list format of sysfs and cpusets. A fixed bit array and not cpu_set_t: the
 * size is ours, equal sets have equal bytes, and no system header is needed in the pure core.
 * Weakness: the strides that isolcpus= and nohz_full= may contain ("0-31:1/2") are refused; the
 * kernel never writes them in the files that are read here.
 */
#include "util/cpus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define N_WORDS (QOS_CPUS_MAX / 64)

void qos_cpus_clear(struct qos_cpus *cpus)
{
	memset(cpus, 0, sizeof(*cpus));
}

void qos_cpus_add(struct qos_cpus *cpus, unsigned int cpu)
{
	cpus->word[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

bool qos_cpus_has(const struct qos_cpus *cpus, unsigned int cpu)
{
	return cpu < QOS_CPUS_MAX && (cpus->word[cpu / 64] >> (cpu % 64)) & 1;
}

unsigned int qos_cpus_count(const struct qos_cpus *cpus)
{
	unsigned int count = 0;

	for (size_t i = 0; i < N_WORDS; i++)
		count += (unsigned int)__builtin_popcountll(cpus->word[i]);
	return count;
}

bool qos_cpus_equal(const struct qos_cpus *a, const struct qos_cpus *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool qos_cpus_subset(const struct qos_cpus *inner, const struct qos_cpus *outer)
{
	for (size_t i = 0; i < N_WORDS; i++) {
		if (inner->word[i] & ~outer->word[i])
			return false;
	}
	return true;
}

struct qos_cpus qos_cpus_and(const struct qos_cpus *a, const struct qos_cpus *b)
{
	struct qos_cpus result;

	for (size_t i = 0; i < N_WORDS; i++)
		result.word[i] = a->word[i] & b->word[i];
	return result;
}

struct qos_cpus qos_cpus_minus(const struct qos_cpus *a, const struct qos_cpus *b)
{
	struct qos_cpus result;

	for (size_t i = 0; i < N_WORDS; i++)
		result.word[i] = a->word[i] & ~b->word[i];
	return result;
}

unsigned int qos_cpus_next(const struct qos_cpus *cpus, unsigned int from)
{
	for (unsigned int i = from / 64; i < N_WORDS; i++) {
		uint64_t word = cpus->word[i];

		if (i == from / 64)
			word &= UINT64_MAX << (from % 64);
		if (word)
			return i * 64 + (unsigned int)__builtin_ctzll(word);
	}
	return QOS_CPUS_MAX;
}

/* One number; saturates at QOS_CPUS_MAX, so that any length of digits is safe to read. */
static int take_number(const char **text, unsigned int *ret)
{
	const char *p = *text;
	unsigned int value = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (unsigned int)(*p - '0');
		if (value > QOS_CPUS_MAX)
			value = QOS_CPUS_MAX;
	}
	*text = p;
	*ret = value;
	return 0;
}

/* "N" or "N-M". */
static int take_range(const char **text, unsigned int *ret_first, unsigned int *ret_last)
{
	int r;

	r = take_number(text, ret_first);
	if (r < 0)
		return r;
	*ret_last = *ret_first;
	if (**text != '-')
		return 0;
	(*text)++;
	r = take_number(text, ret_last);
	if (r < 0)
		return r;
	return *ret_first <= *ret_last ? 0 : -EINVAL;
}

int qos_cpus_parse(const char *text, struct qos_cpus *ret)
{
	struct qos_cpus cpus = {};
	bool too_large = false;
	unsigned int first, last;
	int r;

	while (*text) {
		r = take_range(&text, &first, &last);
		if (r < 0)
			return r;
		too_large = too_large || last >= QOS_CPUS_MAX;
		for (unsigned int cpu = first; cpu <= last && cpu < QOS_CPUS_MAX; cpu++)
			qos_cpus_add(&cpus, cpu);
		if (*text == ',' && text[1])
			text++;
		else if (*text)
			return -EINVAL;
	}
	if (too_large)
		return -ERANGE;
	*ret = cpus;
	return 0;
}

/* The last CPU of the run of neighbours that starts at `cpu`. */
static unsigned int run_end(const struct qos_cpus *cpus, unsigned int cpu)
{
	while (qos_cpus_has(cpus, cpu + 1))
		cpu++;
	return cpu;
}

const char *qos_cpus_print(char *buf, size_t size, const struct qos_cpus *cpus)
{
	size_t len = 0;
	unsigned int first = qos_cpus_next(cpus, 0);

	if (size)
		buf[0] = '\0';
	while (first < QOS_CPUS_MAX && len < size) {
		unsigned int last = run_end(cpus, first);
		const char *comma = len ? "," : "";
		int n;

		if (first == last)
			n = snprintf(buf + len, size - len, "%s%u", comma, first);
		else
			n = snprintf(buf + len, size - len, "%s%u-%u", comma, first, last);
		len += (size_t)n;
		first = qos_cpus_next(cpus, last + 1);
	}
	return buf;
}
