/* SPDX-License-Identifier: GPL-2.0-only */
/* A supervisor of its own for each test of a file. */
#pragma once

#include "supervise.h"

static struct supervised test;

static int setup(void **state)
{
	return supervise(&test);
}

static int teardown(void **state)
{
	return supervise_end(&test);
}
