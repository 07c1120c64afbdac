/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pager. less gets F (leave if it fits on a screen) and S-ecure mode: qosctl is run by root,
 * and a pager that starts a shell or an editor is nobody's wish there.
 */
#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "util/cleanup.h"

static void run_pager(const char *pager, int from)
{
	dup2(from, STDIN_FILENO);
	setenv("LESS", "FRX", 0);
	setenv("LESSSECURE", "1", 1);
	execl("/bin/sh", "sh", "-c", pager, NULL);
	execlp("cat", "cat", NULL);
	_exit(127);
}

pid_t qos_pager_start(void)
{
	const char *pager = getenv("PAGER");
	_cleanup_close_ int from = -1;
	_cleanup_close_ int to = -1;
	int ends[2];
	pid_t pid;

	if (!pager)
		pager = "command -v less >/dev/null && exec less || exec cat";
	if (!*pager || !strcmp(pager, "cat") || pipe2(ends, O_CLOEXEC) < 0)
		return 0;
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid == 0)
		run_pager(pager, from);
	if (pid < 0 || dup2(to, STDOUT_FILENO) < 0)
		return 0;
	signal(SIGPIPE, SIG_IGN); /* the reader may leave early; what it did not read is not lost */
	return pid;
}

void qos_pager_finish(pid_t pid)
{
	if (!pid)
		return;
	fclose(stdout);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
