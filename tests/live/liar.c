/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In place of qosd-parse: the same program, but for texts that say `hostile MODE`, for which it does wrong. The
 * rules that it reads for those are good, so that the modes of an image come to their turn. Exit code CLEAN: a
 * system call that is not on the list was let through.
 */
int parse_main(void);
#define main parse_main
#include "../../daemon/parser/main.c"
#undef main

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../harness/answers.h"
#include "contract/doc_wire.h"

enum { CLEAN = 60 };

static void say(const struct qos_buf *answer)
{
	uint32_t len = (uint32_t)answer->len;

	put((const char *)&len, sizeof(len));
	put(answer->text, answer->len);
}

/* --- what no document is --- */

static void put_scalar(struct qos_buf *out, const char *key, const char *text)
{
	answer_scalar(out, key, text, strlen(text));
}

static void twins(void)
{
	struct qos_buf out = {};

	answer_head(&out, 0, 0);
	answer_node(&out, NULL, QOS_NODE_MAP);
	qos_wire_put_u32(&out, 2);
	put_scalar(&out, "contract", "a");
	put_scalar(&out, "contract", "b");
	say(&out);
}

static void control(void)
{
	struct qos_buf out = {};

	answer_head(&out, 0, 0);
	answer_node(&out, NULL, QOS_NODE_MAP);
	qos_wire_put_u32(&out, 1);
	put_scalar(&out, "contract", "\x1b[2J");
	say(&out);
}

static void mute(void)
{
	struct qos_buf out = {};

	answer_head(&out, 22, 0);
	say(&out);
}

static void garbage(void)
{
	struct qos_buf out = {};

	for (int i = 0; i < 1000; i++)
		qos_wire_put_u32(&out, (uint32_t)i * 2654435761U);
	say(&out);
}

static void crowd(void)
{
	struct qos_buf out = {};

	answer_head(&out, 0, 0);
	answer_node(&out, NULL, QOS_NODE_MAP);
	qos_wire_put_u32(&out, UINT32_MAX);
	say(&out);
}

static void deep(void)
{
	struct qos_buf out = {};

	answer_head(&out, 0, 0);
	answer_node(&out, NULL, QOS_NODE_MAP);
	for (int i = 0; i < 100000; i++) {
		qos_wire_put_u32(&out, 1);
		answer_node(&out, i ? NULL : "a", QOS_NODE_LIST);
	}
	say(&out);
}

/* --- how no parser talks --- */

static void announce(void)
{
	const uint32_t len = UINT32_MAX;

	put((const char *)&len, sizeof(len));
	pause();
}

static void half(void)
{
	const uint32_t len = 100;

	put((const char *)&len, sizeof(len));
	put("half", 4);
	exit(7);
}

static void hang_up(void)
{
	close(STDIN_FILENO);
	pause();
}

static void hush(void)
{
	pause();
}

static void spin(void)
{
	for (volatile int i = 0;; i++)
		;
}

static void crash(void)
{
	__builtin_trap();
}

static const struct {
	const char *name;
	void (*act)(void);
} modes[] = {
	{"twins", twins},     {"control", control}, {"mute", mute}, {"garbage", garbage},
	{"crowd", crowd},     {"deep", deep},	    {"half", half}, {"announce", announce},
	{"hang-up", hang_up}, {"silent", hush},	    {"spin", spin}, {"crash", crash},
};

/* --- what no system call may --- */

static const struct {
	const char *name;
	long number;
	long arguments[4];
} calls[] = {
	{"read", SYS_read, {1, 0, 0, 0}},
	{"write", SYS_write, {1, 0, 0, 0}},
	{"openat", SYS_openat, {AT_FDCWD, 0, 0, 0}},
	{"socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0, 0}},
	{"clone", SYS_clone, {0, 0, 0, 0}},
	{"execve", SYS_execve, {0, 0, 0, 0}},
	{"ptrace", SYS_ptrace, {0, 0, 0, 0}},
	{"code", SYS_mmap, {0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS}},
	{"file", SYS_mmap, {0, 4096, PROT_READ, MAP_SHARED}},
	{"mprotect", SYS_mprotect, {0, 0, 0, 0}},
	{"kill", SYS_kill, {0, 0, 0, 0}},
	{"bpf", SYS_bpf, {0, 0, 0, 0}},
	{"sendmsg", SYS_sendmsg, {0, 0, 0, 0}},
	{"recvmsg", SYS_recvmsg, {0, 0, 0, 0}},
	{"prctl", SYS_prctl, {0, 0, 0, 0}},
	{"setuid", SYS_setuid, {0, 0, 0, 0}},
	{"ioctl", SYS_ioctl, {0, 0, 0, 0}},
	{"dup", SYS_dup, {0, 0, 0, 0}},
	{"nanosleep", SYS_clock_nanosleep, {0, 0, 0, 0}},
};

static void make_call(const char *name)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(calls); i++) {
		const long *a = calls[i].arguments;

		if (!strcmp(calls[i].name, name))
			syscall(calls[i].number, a[0], a[1], a[2], a[3], -1, 0);
	}
	_exit(CLEAN);
}

/* --- what no image is: of the first rule --- */

static struct qos_image *image_of(const char *asked, size_t len)
{
	struct qos_wire in = {.at = asked, .left = len};
	struct qos_text text = {.file = "0"};
	struct qos_contract *contract = NULL;
	struct qos_image *image = NULL;

	for (int i = 0; i < 3; i++)
		qos_wire_u32(&in);
	text.bytes = qos_wire_bytes(&in, QOS_DOC_BYTES_MAX, &text.len);
	qos_contract_parse_text(&text, 1, NULL, &contract);
	qos_front_here.image(NULL, contract, QOS_RULES_FRAME, NULL, &image);
	return image;
}

/* true: it was answered. */
static bool answer_image(const char *mode, const char *asked, size_t len)
{
	struct qos_image *image = image_of(asked, len);
	struct qos_image_program *first = &image->programs[0];
	struct qos_buf out = {};

	if (!strcmp(mode, "event")) {
		first->event.kind = QOS_RULE_DROP;
	} else if (!strcmp(mode, "helper")) {
		/* bpf_trace_printk, which no rule may call */
		first->code.insns[0] = (struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = 6};
		first->code.n_relocs = 0;
	} else {
		return false;
	}
	answer_head(&out, 0, 0);
	qos_image_put(&out, image);
	say(&out);
	return true;
}

static void misbehave(const char *mode)
{
	if (!strncmp(mode, "call-", 5))
		make_call(mode + 5);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(modes); i++) {
		if (!strcmp(modes[i].name, mode))
			modes[i].act();
	}
}

/* The mode, cut out of the text; false: there is none. */
static bool find_mode(const char *asked, size_t len, char mode[32])
{
	const char *at = memmem(asked, len, "hostile ", 8);
	size_t n = 0;

	for (at = at ? at + 8 : ""; n < 31 && strchr("abcdefghijklmnopqrstuvwxyz-", at[n]) && at[n];
	     n++)
		mode[n] = at[n];
	mode[n] = '\0';
	return n > 0;
}

static bool serve_badly(void)
{
	_cleanup_free_ char *asked = NULL;
	struct qos_buf answer = {};
	uint32_t len, what;
	char mode[32];

	if (!take((char *)&len, sizeof(len)))
		return false;
	asked = calloc(1, len + 1);
	if (!asked || !take(asked, len))
		return false;
	memcpy(&what, asked, sizeof(what));
	if (find_mode(asked, len, mode)) {
		misbehave(mode);
		if (what == QOS_FRONT_IMAGE && answer_image(mode, asked, len))
			return true;
	}
	if (qos_front_answer(asked, len, &answer) < 0)
		return false;
	say(&answer);
	qos_buf_reset(&answer);
	return true;
}

int main(void)
{
	if (qos_parser_confine() < 0)
		return QOS_FRONT_EXIT_OPEN;
	while (serve_badly())
		;
	return 0;
}
