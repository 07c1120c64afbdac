// SPDX-License-Identifier: GPL-2.0-only
/*
 *   traffic OBJECT NETNS DEVICE NETNS DEVICE	attaches traffic.bpf.o where packets go in and where they come out,
 *						prints "ready"; when stdin ends, a line for each packet that went
 *						in, in the order in which they did: its sequence number, when it
 *						went in, and when it came out (0: it did not), in ns
 */
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
		   const char *device)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	int fd = open(netns, O_RDONLY | O_CLOEXEC);
	unsigned int index;

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		exit(3);
	close(fd);
	index = if_nametoindex(device);
	if (!index || !bpf_program__attach_tcx(program, (int)index, NULL))
		exit(4);
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
	attach(object, "sent", argv[2], argv[3]);
	attach(object, "come", argv[4], argv[5]);
	globals = bss_map(object);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		;
	print(bss_variable(object, globals, "sent_ns"), bss_variable(object, globals, "come_ns"));
	return 0;
}
