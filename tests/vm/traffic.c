// SPDX-License-Identifier: GPL-2.0-only
/*
 *   traffic OBJECT NETNS DEVICE NETNS DEVICE	attaches traffic.bpf.o where packets go in and where they come out,
 *						prints "ready"; for each line of stdin, how many packets went in so
 *						far; when it ends, a line for each packet that went
 *						in, in the order in which they did: its sequence number, when it
 *						went in, and when it came out (0: it did not), in ns
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bss.h"

#define PACKETS 65536

static void attach(struct bpf_object *object, const char *name, const char *netns,
		   const char *device, enum bpf_tc_attach_point where)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = where);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);
	int fd = open(netns, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		exit(3);
	close(fd);
	hook.ifindex = (int)if_nametoindex(device);
	r = bpf_tc_hook_create(&hook);
	if (r < 0 && r != -EEXIST)
		exit(5);
	opts.prog_fd = bpf_program__fd(bpf_object__find_program_by_name(object, name));
	if (bpf_tc_attach(&hook, &opts) < 0)
		exit(6);
}

static int count(const unsigned long long *sent)
{
	int n = 0, i;

	for (i = 0; i < PACKETS; i++)
		n += sent[i] != 0;
	return n;
}

static const unsigned long long *times;

static int compare(const void *a, const void *b)
{
	unsigned long long left = times[*(const int *)a], right = times[*(const int *)b];

	return (left > right) - (left < right);
}

static void print(const unsigned long long *sent, const unsigned long long *come)
{
	static int order[PACKETS];
	int n = 0, i;

	for (i = 0; i < PACKETS; i++) {
		if (sent[i])
			order[n++] = i;
	}
	times = sent;
	qsort(order, (size_t)n, sizeof(order[0]), compare);
	for (i = 0; i < n; i++)
		printf("%d %llu %llu\n", order[i], sent[order[i]], come[order[i]]);
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	const char *globals;
	char line[8];

	if (argc != 6)
		return 64;
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object))
		return 2;
	attach(object, "sent", argv[2], argv[3], BPF_TC_EGRESS);
	attach(object, "come", argv[4], argv[5], BPF_TC_INGRESS);
	globals = bss_map(object);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("%d\n", count(bss_variable(object, globals, "sent_ns")));
		fflush(stdout);
	}
	print(bss_variable(object, globals, "sent_ns"), bss_variable(object, globals, "come_ns"));
	return 0;
}
