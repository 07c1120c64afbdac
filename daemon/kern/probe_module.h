/* SPDX-License-Identifier: GPL-2.0-only */
/* The module qos_dwcs on this machine: loaded or not, and why not. Changes nothing, needs no root. */
#pragma once

#include "contract/host.h"

enum qos_module_state {
	QOS_MODULE_NOT_INSTALLED, /* nor loaded */
	QOS_MODULE_NOT_LOADED,	  /* it is installed for this kernel */
	QOS_MODULE_UNSIGNED, /* likewise, and this kernel takes only signed ones (Secure Boot) */
	QOS_MODULE_SILENT,   /* loaded, but its family does not answer */
	QOS_MODULE_OTHER_VERSION, /* loaded, of another version than this program */
	QOS_MODULE_NO_RULES,	  /* programs cannot call it on this kernel */
	QOS_MODULE_PRESENT,
	QOS_MODULE_STATES,
};

/* What is so, and the remedy; static. */
struct qos_probe_module_advice {
	const char *found;
	const char *remedy;
	enum qos_feature_state state;
};

/* Asking for its family where it is not would make the kernel run modprobe, each time. */
bool qos_module_is_loaded(void);

enum qos_module_state qos_probe_module(void);
const struct qos_probe_module_advice *qos_probe_module_advice(enum qos_module_state state);

/* What a machine with these facts has. */
struct qos_probe_module_facts {
	bool loaded;	  /* /sys/module/qos_dwcs */
	bool installed;	  /* a file in /lib/modules */
	bool only_signed; /* lockdown, or module.sig_enforce */
	int answer;	  /* of the family: 0, -ENODEV, -errno */
	uint32_t version; /* if it answered; so the next */
	bool rules;	  /* programs can call it */
};
enum qos_module_state qos_probe_module_state(const struct qos_probe_module_facts *facts);
