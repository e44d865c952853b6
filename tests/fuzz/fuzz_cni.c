/* The CNI plugin: its configuration, CNI_ARGS and the rest of its environment. */
#include "fuzz.h"

#include "cni/result.h"

/* Lines: CNI_COMMAND, CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS, CNI_ARGS, then the configuration to the end. */
static const char *const variable[] = { "CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size, 1), *rest = text;
	struct cni_error e = { 0 };
	struct cni_env env;
	struct cni_conf conf;

	for (size_t i = 0; i < sizeof variable / sizeof *variable; i++) {
		char *value = strsep(&rest, "\n");

		if (value != NULL && *value != 0)
			setenv(variable[i], value, 1);
		else
			unsetenv(variable[i]);
	}
	if (cni_env_read(&env, &e) < 0) {
		REQUIRE(e.code != 0 && e.msg[0] != 0);
		/* What comes is tried all the same. */
		env = (struct cni_env){ .command = CNI_ADD, .container = "c", .ifname = "eth0", .netns = "/n" };
	}
	e = (struct cni_error){ 0 };
	if (rest != NULL) {
		size_t n = size - (size_t)(rest - text);
		char *exact = fuzz_copy(data + (rest - text), n, 0), name[NAME_MAX + 1];
		json_t *object;

		for (int lenient = 0; lenient < 2; lenient++) {
			e = (struct cni_error){ 0 };
			if (cni_conf_parse(&conf, exact, n, &env, lenient, &e) < 0) {
				REQUIRE(e.code != 0 && e.msg[0] != 0);
				object = cni_error_object(conf.version, &e);
				json_decref(object);
			} else {
				REQUIRE(conf.mount[0] == '/' && strchr(conf.node, '/') == NULL);
				REQUIRE(lenient || conf.name != NULL || env.command == CNI_VERSION);
				cni_lease_name(&env, 3, name, &e);
			}
			cni_conf_free(&conf);
		}
		free(exact);
	}
	free(text);
	return 0;
}
