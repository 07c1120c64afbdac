/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A regular expression is compiled to a small program that is run for all of its threads at once
 * (Thompson, CACM 11(6) 1968), so time and memory are bounded by the sizes alone. That is why
 * regcomp(3) is not used here: glibc needs 2^n steps for n loops around what may be empty, and the
 * expressions come from files, the texts from any program. Jumps are relative, so a piece of
 * program can be moved and copied as it is. Weakness: bytes are compared, so `.` fits one byte of a
 * longer letter, and classes know ASCII only.
 */
#include "contract/regex.h"

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/cleanup.h"

#define OPS_MAX	  1000
#define COUNT_MAX 255
#define DEPTH_MAX 32

enum kind {
	OP_CHAR, /* arg: the byte */
	OP_ANY,
	OP_SET,	  /* arg: offset in the text of the expression, behind the bracket */
	OP_SPLIT, /* goes on at +1 and at +arg */
	OP_JUMP,  /* at +arg */
	OP_BEGIN,
	OP_END,
	OP_FITS,
};

struct op {
	int16_t arg;
	uint8_t kind;
};

struct program {
	const char *text;
	const char *p; /* read up to here */
	const char *error;
	struct op ops[OPS_MAX];
	int n;
	int depth;
};

/* The first error stays; what follows is harmless, and read to no end since nothing moves `p`. */
static void fail(struct program *program, const char *error)
{
	if (!program->error)
		program->error = error;
}

/* Makes room for `n` more; false if there is none. */
static bool room(struct program *program, int n)
{
	if (program->n + n > OPS_MAX)
		fail(program, "with its counts written out it is too long");
	return !program->error;
}

static void emit(struct program *program, enum kind kind, int arg)
{
	if (room(program, 1))
		program->ops[program->n++] = (struct op){.kind = kind, .arg = (int16_t)arg};
}

/* Puts one op in front of those from `at` on. */
static void insert(struct program *program, int at, enum kind kind, int arg)
{
	if (!room(program, 1))
		return;
	memmove(&program->ops[at + 1], &program->ops[at],
		(size_t)(program->n - at) * sizeof(struct op));
	program->ops[at] = (struct op){.kind = kind, .arg = (int16_t)arg};
	program->n++;
}

static void append_copy(struct program *program, int at, int len)
{
	if (!room(program, len))
		return;
	memcpy(&program->ops[program->n], &program->ops[at], (size_t)len * sizeof(struct op));
	program->n += len;
}

static const struct {
	const char *name;
	int (*is)(int c);
} classes[] = {
	{"[:alnum:]", isalnum}, {"[:alpha:]", isalpha}, {"[:blank:]", isblank},
	{"[:cntrl:]", iscntrl}, {"[:digit:]", isdigit}, {"[:graph:]", isgraph},
	{"[:lower:]", islower}, {"[:print:]", isprint}, {"[:punct:]", ispunct},
	{"[:space:]", isspace}, {"[:upper:]", isupper}, {"[:xdigit:]", isxdigit},
};

/* Length of the class name at `p`, or 0; *ret says whether c is in it. */
static size_t read_class(const char *p, unsigned char c, bool *ret)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(classes); i++) {
		size_t len = strlen(classes[i].name);

		if (strncmp(p, classes[i].name, len) != 0)
			continue;
		*ret = c < 0x80 && classes[i].is(c);
		return len;
	}
	return 0;
}

/* One item of a set: a class, a range or a byte. Returns what is behind it, or NULL. */
static const char *read_item(const char *p, unsigned char c, bool *ret)
{
	unsigned char first = (unsigned char)p[0], last = first;
	size_t len = read_class(p, c, ret);

	if (len)
		return p + len;
	if (p[0] == '[' && p[1] && strchr(":.=", p[1]))
		return NULL;
	if (p[1] == '-' && p[2] && p[2] != ']') {
		last = (unsigned char)p[2];
		p += 2;
	}
	*ret = first <= c && c <= last;
	return first <= last ? p + 1 : NULL;
}

/* Walks the set whose first byte is `p`; *ret says whether c is in it. Returns what is behind its
 * end, or NULL if it has none or an item is wrong. A ] that comes first is a plain byte. */
static const char *read_set(const char *p, unsigned char c, bool *ret)
{
	bool negated = *p == '^', found = false;
	const char *first = p += negated;

	while (p && *p && (*p != ']' || p == first)) {
		bool here = false;

		p = read_item(p, c, &here);
		found |= here;
	}
	*ret = found != negated;
	return p && *p ? p + 1 : NULL;
}

static void parse_set(struct program *program)
{
	const char *begin = ++program->p;
	bool ignored;
	const char *end = read_set(begin, 0, &ignored);

	emit(program, OP_SET, (int)(begin - program->text));
	if (end)
		program->p = end;
	else
		fail(program, "a [set] is wrong or has no end");
}

static void parse_escape(struct program *program)
{
	unsigned char c = (unsigned char)program->p[1];

	if (!c || isalnum(c)) {
		fail(program, "a backslash stands before signs only");
		return;
	}
	emit(program, OP_CHAR, c);
	program->p += 2;
}

static void parse_choice(struct program *program);

static void parse_group(struct program *program)
{
	if (++program->depth > DEPTH_MAX) {
		fail(program, "groups are nested too deep");
		return;
	}
	program->p++;
	parse_choice(program);
	program->depth--;
	if (*program->p == ')')
		program->p++;
	else
		fail(program, "a group has no end");
}

static void parse_atom(struct program *program)
{
	switch (*program->p) {
	case '(':
		parse_group(program);
		return;
	case '[':
		parse_set(program);
		return;
	case '\\':
		parse_escape(program);
		return;
	case '*':
	case '+':
	case '?':
	case '{':
		fail(program, "there is nothing before a repetition that it could repeat");
		return;
	case '.':
		emit(program, OP_ANY, 0);
		break;
	case '^':
		emit(program, OP_BEGIN, 0);
		break;
	case '$':
		emit(program, OP_END, 0);
		break;
	default:
		emit(program, OP_CHAR, (unsigned char)*program->p);
	}
	program->p++;
}

static int parse_number(struct program *program)
{
	int value = 0;

	if (!isdigit((unsigned char)*program->p))
		fail(program, "a count is not of the form {n}, {n,} or {n,m}");
	for (; isdigit((unsigned char)*program->p); program->p++) {
		value = value * 10 + *program->p - '0';
		if (value > COUNT_MAX) {
			fail(program, "a count is above 255");
			return 0;
		}
	}
	return value;
}

/* The ops from `at` on, once or never. */
static void make_optional(struct program *program, int at)
{
	insert(program, at, OP_SPLIT, program->n - at + 1);
}

/* The ops from `at` on, any number of times. */
static void make_loop(struct program *program, int at)
{
	insert(program, at, OP_SPLIT, program->n - at + 2);
	emit(program, OP_JUMP, at - program->n);
}

/* Replaces the `len` ops at `at` by their repetition; max < 0: no end. Copies go behind the
 * original, which is taken out last. */
static void repeat(struct program *program, int at, int min, int max)
{
	int len = program->n - at;

	for (int i = 0; i < min; i++)
		append_copy(program, at, len);
	for (int i = min; i < max; i++) {
		append_copy(program, at, len);
		make_optional(program, program->n - len);
	}
	if (max < 0 && min > 0) {
		emit(program, OP_SPLIT, -len);
	} else if (max < 0) {
		append_copy(program, at, len);
		make_loop(program, program->n - len);
	}
	if (program->error)
		return;
	program->n -= len;
	memmove(&program->ops[at], &program->ops[at + len],
		(size_t)(program->n - at) * sizeof(struct op));
}

static void parse_count(struct program *program, int at)
{
	int min, max;

	program->p++;
	min = max = parse_number(program);
	if (*program->p == ',') {
		program->p++;
		max = *program->p == '}' ? -1 : parse_number(program);
	}
	if (*program->p != '}' || (max >= 0 && max < min)) {
		fail(program, "a count is not of the form {n}, {n,} or {n,m}");
		return;
	}
	program->p++;
	repeat(program, at, min, max);
}

static bool is_repetition(char c)
{
	return c && strchr("*+?{", c);
}

static void parse_piece(struct program *program)
{
	int at = program->n;

	parse_atom(program);
	if (program->error || !is_repetition(*program->p))
		return;
	if (*program->p == '{') {
		parse_count(program, at);
	} else {
		char c = *program->p++;

		if (c == '*')
			make_loop(program, at);
		else if (c == '?')
			make_optional(program, at);
		else
			emit(program, OP_SPLIT, at - program->n);
	}
	if (!program->error && is_repetition(*program->p))
		fail(program, "a repetition is repeated: put the inner one in a group");
}

/* Alternatives up to the end of the group. */
static void parse_choice(struct program *program)
{
	int at = program->n, jump;

	while (!program->error && *program->p && !strchr("|)", *program->p))
		parse_piece(program);
	if (program->error || *program->p != '|')
		return;
	program->p++;
	insert(program, at, OP_SPLIT, program->n - at + 2);
	jump = program->n;
	emit(program, OP_JUMP, 0);
	parse_choice(program);
	if (!program->error)
		program->ops[jump].arg = (int16_t)(program->n - jump);
}

static const char *compile(struct program *program, const char *regex)
{
	program->text = program->p = regex;
	program->error = NULL;
	program->n = program->depth = 0;
	if (strlen(regex) > QOS_REGEX_MAX)
		return "it is longer than 256 bytes";
	parse_choice(program);
	if (!program->error && *program->p)
		fail(program, "there is a ) without its (");
	emit(program, OP_FITS, 0);
	return program->error;
}

const char *qos_regex_check(const char *regex)
{
	struct program program;

	return compile(&program, regex);
}

/* Threads of one position of the text. `seen[op]` is the last position that had the op. */
struct threads {
	int16_t op[OPS_MAX];
	int n;
};

struct run {
	const struct program *program;
	struct threads now, next;
	int64_t seen[OPS_MAX];
};

/* Adds the op and all that is reached from it without a byte. An op is pushed once a position, so
 * the stack is large enough. */
static void add(struct run *run, struct threads *threads, int start, int64_t position, bool end)
{
	int16_t stack[OPS_MAX];
	int n = 0;

#define PUSH(op)                                                                                   \
	do {                                                                                       \
		if (run->seen[op] != position) {                                                   \
			run->seen[op] = position;                                                  \
			stack[n++] = (int16_t)(op);                                                \
		}                                                                                  \
	} while (0)
	PUSH(start);
	while (n > 0) {
		int at = stack[--n];
		const struct op *op = &run->program->ops[at];

		if (op->kind == OP_SPLIT || (op->kind == OP_BEGIN && position == 0) ||
		    (op->kind == OP_END && end))
			PUSH(at + 1);
		if (op->kind == OP_SPLIT || op->kind == OP_JUMP)
			PUSH(at + op->arg);
		if (op->kind <= OP_SET || op->kind == OP_FITS)
			threads->op[threads->n++] = (int16_t)at;
	}
#undef PUSH
}

static bool takes(const struct run *run, const struct op *op, unsigned char c)
{
	bool in_set = false;

	switch (op->kind) {
	case OP_CHAR:
		return op->arg == c;
	case OP_ANY:
		return true;
	case OP_SET:
		read_set(run->program->text + op->arg, c, &in_set);
		return in_set;
	}
	return false;
}

static bool execute(struct run *run, const char *text)
{
	add(run, &run->now, 0, 0, !*text);
	for (int64_t i = 0; text[i] && run->now.n; i++) {
		run->next.n = 0;
		for (int j = 0; j < run->now.n; j++) {
			int at = run->now.op[j];

			if (takes(run, &run->program->ops[at], (unsigned char)text[i]))
				add(run, &run->next, at + 1, i + 1, !text[i + 1]);
		}
		run->now = run->next;
	}
	for (int j = 0; j < run->now.n; j++)
		if (run->program->ops[run->now.op[j]].kind == OP_FITS)
			return true;
	return false;
}

bool qos_regex_fits(const char *regex, const char *text)
{
	struct program program;
	struct run run;

	if (compile(&program, regex))
		return false;
	run.program = &program;
	run.now.n = run.next.n = 0;
	memset(run.seen, 0xff, sizeof(run.seen));
	return execute(&run, text);
}
