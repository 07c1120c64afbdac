/* SPDX-License-Identifier: GPL-2.0-only */
/* A number in a file of the run directory, which is gone with the next boot. */
#include "state/measured.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "contract/host.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/units.h"

#define NAME	  "sample-cost"
#define MAX_BYTES 32

static char *path_of(const char *run_dir)
{
	char *path;

	return asprintf(&path, "%s/" NAME, run_dir) < 0 ? NULL : path;
}

static int read_kept(const char *path, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = qos_file_read(AT_FDCWD, path, MAX_BYTES, &text, &len);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return qos_parse_count(text, QOS_SAMPLE_COST_MAX, ret);
}

uint64_t qos_measured_sample_cost(const char *run_dir, uint64_t (*measure)(void))
{
	_cleanup_free_ char *path = path_of(run_dir);
	char text[MAX_BYTES];
	uint64_t ns;

	if (path && read_kept(path, &ns) == 0)
		return ns;
	ns = measure();
	if (!ns)
		return QOS_SAMPLE_COST_DEFAULT;
	if (path) {
		snprintf(text, sizeof(text), "%" PRIu64 "\n", ns);
		qos_file_replace(path, text, strlen(text), 0644);
	}
	return ns;
}

void qos_measured_forget(const char *run_dir)
{
	_cleanup_free_ char *path = path_of(run_dir);

	if (path)
		unlink(path);
}
