/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Facts first, then what they mean, so that a test can say what a machine with Secure Boot is told.
 * Weakness: whether an installed file is signed with a key that the kernel trusts is known only from
 * loading it, which is not ours to try; so where only signed modules are taken, one that is not loaded
 * is taken for unsigned, which is what mostly keeps it out.
 */
#include "kern/probe_module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kern/genl_dwcs.h"
#include "util/file.h"

#define INSTALL "DKMS builds it for each kernel (kmod/README.md of the sources)"

static const struct qos_probe_module_advice advices[QOS_MODULE_STATES] = {
	[QOS_MODULE_NOT_INSTALLED] = {"it is not installed for this kernel",
				      "none is needed; to have it, " INSTALL, QOS_ABSENT},
	[QOS_MODULE_NOT_LOADED] = {"it is installed, and not loaded", "modprobe qos_dwcs",
				   QOS_ABSENT},
	[QOS_MODULE_UNSIGNED] = {"it is installed, and this kernel takes only signed modules "
				 "(Secure Boot, lockdown or module.sig_enforce)",
				 "mokutil --import the key that DKMS signs with "
				 "(/var/lib/dkms/mok.pub), reboot, confirm it, and modprobe "
				 "qos_dwcs",
				 QOS_DENIED},
	[QOS_MODULE_SILENT] = {"it is loaded, and its netlink family does not answer here",
			       "look in the initial network namespace, and at journalctl -k; rmmod "
			       "qos_dwcs && modprobe qos_dwcs",
			       QOS_OFF},
	[QOS_MODULE_OTHER_VERSION] =
		{"it is loaded, and of another version than this program",
		 "install both of one version, then rmmod qos_dwcs && modprobe "
		 "qos_dwcs",
		 QOS_OFF},
	[QOS_MODULE_NO_RULES] =
		{"it is loaded and answers; rules of contracts cannot run with it here",
		 "a kernel 6.12 or newer with CONFIG_DEBUG_INFO_BTF_MODULES; or, to have "
		 "rules without windows, managers.cpu: native in qosd.yaml",
		 QOS_OFF},
	[QOS_MODULE_PRESENT] = {"it is loaded and answers", "none is needed", QOS_PRESENT},
};

const struct qos_probe_module_advice *qos_probe_module_advice(enum qos_module_state state)
{
	return &advices[state];
}

enum qos_module_state qos_probe_module_state(const struct qos_probe_module_facts *facts)
{
	if (facts->answer == 0 && facts->version != QOS_DWCS_VERSION)
		return QOS_MODULE_OTHER_VERSION;
	if (facts->answer == 0)
		return facts->rules ? QOS_MODULE_PRESENT : QOS_MODULE_NO_RULES;
	if (facts->loaded)
		return QOS_MODULE_SILENT;
	if (!facts->installed)
		return QOS_MODULE_NOT_INSTALLED;
	return facts->only_signed ? QOS_MODULE_UNSIGNED : QOS_MODULE_NOT_LOADED;
}

/* Where packages, DKMS and people put it, compressed or not. */
static bool is_installed(void)
{
	static const char *const dirs[] = {"updates/dkms", "updates", "extra", "kernel/extra"};
	static const char *const ends[] = {"", ".xz", ".zst", ".gz"};
	struct utsname name;
	char path[512];

	if (uname(&name) < 0)
		return false;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(dirs); i++) {
		for (size_t k = 0; k < QOS_ARRAY_SIZE(ends); k++) {
			snprintf(path, sizeof(path), "/lib/modules/%s/%s/qos_dwcs.ko%s",
				 name.release, dirs[i], ends[k]);
			if (access(path, F_OK) == 0)
				return true;
		}
	}
	return false;
}

static bool file_says(const char *path, const char *word)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	return qos_file_read(AT_FDCWD, path, 256, &text, &len) == 0 && strstr(text, word);
}

static bool takes_only_signed(void)
{
	return file_says("/sys/module/module/parameters/sig_enforce", "Y") ||
	       file_says("/sys/kernel/security/lockdown", "[integrity]") ||
	       file_says("/sys/kernel/security/lockdown", "[confidentiality]");
}

bool qos_module_is_loaded(void)
{
	return access("/sys/module/qos_dwcs", F_OK) == 0;
}

enum qos_module_state qos_probe_module(void)
{
	_cleanup_genl_ struct qos_genl *genl = NULL;
	struct qos_dwcs_info info = {};
	struct qos_probe_module_facts facts = {.loaded = qos_module_is_loaded(),
					       .installed = is_installed(),
					       .only_signed = takes_only_signed()};

	facts.answer = facts.loaded ? qos_dwcs_connect(&genl) : -ENODEV;
	if (facts.answer == 0)
		facts.answer = qos_dwcs_info(genl, &info);
	facts.version = info.version;
	facts.rules = info.features & QOS_DWCS_FEATURE_RULES;
	return qos_probe_module_state(&facts);
}
