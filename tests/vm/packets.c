// SPDX-License-Identifier: GPL-2.0-only
/*
 * A send loop: N packets over K connected UDP sockets in turn, socket i of priority MAJOR:i+1, to an address
 * that needs no neighbour. Prints the ns a packet, after a round to warm up.
 *
 *	packets ADDRESS MAJOR K N
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

static const char payload[64];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int connected(const char *address, unsigned int priority, unsigned int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int room = 1 << 28, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		fail(address);
	if (setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)))
		fail("SO_PRIORITY");
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)))
		fail("SO_SNDBUFFORCE");
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)))
		fail("connect");
	return fd;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void send_all(const int *fds, unsigned int k, unsigned int n)
{
	for (unsigned int i = 0, at = 0; i < n; i++, at = at + 1 == k ? 0 : at + 1)
		if (send(fds[at], payload, sizeof(payload), 0) != sizeof(payload))
			fail("send");
}

int main(int argc, char **argv)
{
	struct rlimit files = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	unsigned int major, k, n;
	uint64_t begin;
	int *fds;

	if (argc != 5) {
		fprintf(stderr, "usage: packets ADDRESS MAJOR SOCKETS PACKETS\n");
		return 1;
	}
	major = (unsigned int)strtoul(argv[2], NULL, 0);
	k = (unsigned int)strtoul(argv[3], NULL, 0);
	n = (unsigned int)strtoul(argv[4], NULL, 0);
	if (k == 0 || n == 0 || setrlimit(RLIMIT_NOFILE, &files))
		fail("arguments");
	fds = calloc(k, sizeof(*fds));
	if (!fds)
		fail("calloc");
	for (unsigned int i = 0; i < k; i++)
		fds[i] = connected(argv[1], major << 16 | (i + 1), 1024 + i);
	send_all(fds, k, k);
	begin = now();
	send_all(fds, k, n);
	printf("%.1f\n", (double)(now() - begin) / n);
	return 0;
}
