/* Where ipamkube's server and credentials are: kubeconfig, a pod's service account, and the YAML they are read from. */
#include "kube/config.h"
#include "kube/yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct files {
	char dir[32], path[64], other[64];
};

static int files_make(void **state)
{
	struct files *f = calloc(1, sizeof *f);

	strcpy(f->dir, "/tmp/test_kube.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/config", f->dir);
	snprintf(f->other, sizeof f->other, "%s/other", f->dir);
	*state = f;
	return 0;
}

static int files_remove(void **state)
{
	struct files *f = *state;

	unlink(f->path);
	unlink(f->other);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static const char whole[] =
	"apiVersion: v1\n"
	"kind: Config\n"
	"current-context: one\n"
	"contexts:\n"
	"- name: one\n"
	"  context: {cluster: here, user: me}\n"
	"- name: two\n"
	"  context:\n"
	"    cluster: there\n"
	"    user: cert\n"
	"- name: three\n"
	"  context: {cluster: here, user: plugin}\n"
	"- name: four\n"
	"  context: {cluster: nowhere, user: me}\n"
	"clusters:\n"
	"- name: here\n"
	"  cluster:\n"
	"    server: https://10.0.0.1:6443/\n"
	"    certificate-authority-data: |\n"
	"      aGVs\n"
	"      bG8=\n"
	"    tls-server-name: kubernetes\n"
	"- name: there\n"
	"  cluster: {server: 'https://[fd00::1]:6443/k8s', certificate-authority: pki/ca.crt}\n"
	"users:\n"
	"- name: me\n"
	"  user: {token: abc, username: ~}\n"
	"- name: cert\n"
	"  user: {client-certificate: /abs/c.pem, client-key: k.pem, username: u, password: 'p: w'}\n"
	"- name: plugin\n"
	"  user: {exec: {command: aws}}\n";

static void test_kubeconfig(void **state)
{
	struct files *f = *state;
	struct config_error error;
	struct config c;
	char want[128];

	write_file(f->path, whole);
	assert_int_equal(config_read(f->path, NULL, &c, &error), 0);
	assert_string_equal(c.server, "https://10.0.0.1:6443");
	assert_string_equal(c.tls_name, "kubernetes");
	assert_string_equal(c.token, "abc");
	assert_int_equal(c.ca.size, 5);
	assert_string_equal(c.ca.data, "hello");
	assert_true(c.user == NULL && c.password == NULL && !c.insecure && c.token_file == NULL);
	config_free(&c);

	assert_int_equal(config_read(f->path, "two", &c, &error), 0);
	assert_string_equal(c.server, "https://[fd00::1]:6443/k8s");
	snprintf(want, sizeof want, "%s/pki/ca.crt", f->dir);
	assert_string_equal(c.ca.file, want); /* relative to the file */
	snprintf(want, sizeof want, "%s/k.pem", f->dir);
	assert_string_equal(c.key.file, want);
	assert_string_equal(c.cert.file, "/abs/c.pem");
	assert_string_equal(c.user, "u");
	assert_string_equal(c.password, "p: w");
	assert_false(c.insecure);
	config_free(&c);

	assert_int_equal(config_read(f->path, "three", &c, &error), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "exec"));
	config_free(&c);
	assert_int_equal(config_read(f->path, "four", &c, &error), -EINVAL);
	assert_non_null(strstr(error.text, "nowhere"));
	config_free(&c);
	assert_int_equal(config_read(f->path, "five", &c, &error), -EINVAL);
	config_free(&c);
	assert_int_equal(config_read(f->other, NULL, &c, &error), -ENOENT);
	config_free(&c);
}

/* What would make it somebody else, or take a mistake for the word, is refused; what doesn't end isn't waited for. */
static void test_kubeconfig_refused(void **state)
{
	static const struct {
		const char *cluster, *user, *text;
	} bad[] = {
		{ "", "as: other", "acts as another" },
		{ "", "as-groups: [system:masters]", "as-groups" },
		{ ", certificate-authority: ca.crt, insecure-skip-tls-verify: true", "token: t", "insecure-skip-tls-verify" },
		{ ", certificate-authority-data: aGVsbG8=, insecure-skip-tls-verify: true", "token: t", "insecure-skip-tls-verify" },
		{ "", "tokenFile: other", "not a file" },
		{ "", "client-certificate: other", "not a file" },
		{ ", certificate-authority: other", "token: t", "not a file" },
	};
	struct files *f = *state;
	struct config_error error;
	struct config c;
	char text[512];

	assert_int_equal(mkfifo(f->other, 0600), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text,
			 "current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
			 "clusters: [{name: a, cluster: {server: 'https://h'%s}}]\nusers: [{name: a, user: {%s}}]\n",
			 bad[i].cluster, bad[i].user);
		write_file(f->path, text);
		assert_true(config_read(f->path, NULL, &c, &error) < 0);
		assert_non_null(strstr(error.text, bad[i].text));
		config_free(&c);
	}
	assert_true(config_read(f->other, NULL, &c, &error) < 0);
	config_free(&c);
}

static void test_kubeconfig_many(void **state)
{
	struct files *f = *state;
	struct config_error error;
	struct config c;
	char both[160];

	/* The first that says something counts; JSON is YAML; a file that isn't there is passed over. */
	write_file(f->path, whole);
	write_file(f->other, "{\"current-context\": \"two\", \"users\": [{\"name\": \"cert\", \"user\": {\"tokenFile\": \"t\"}}]}");
	snprintf(both, sizeof both, "%s:/nowhere/at-all:%s", f->other, f->path);
	assert_int_equal(config_read(both, NULL, &c, &error), 0);
	assert_string_equal(c.server, "https://[fd00::1]:6443/k8s");
	assert_non_null(strstr(c.token_file, "/t"));
	assert_null(c.cert.file);
	config_free(&c);

	for (int i = 0; i < 6; i++) {
		static const char *const broken[] = { "", "- 1\n", "a: b: c\n", "a: [1\n", "a: 1\na: 2\n", "text" };

		write_file(f->other, broken[i]);
		assert_int_not_equal(config_read(f->other, NULL, &c, &error), 0);
		assert_true(error.text[0] != 0);
		config_free(&c);
	}
	write_file(f->other, "current-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n"
			     "clusters: [{name: a, cluster: {server: 'https://x', certificate-authority-data: '@@@'}}]\n");
	assert_int_equal(config_read(f->other, NULL, &c, &error), -EINVAL);
	config_free(&c);
	write_file(f->other, "current-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n"
			     "clusters: [{name: a, cluster: {server: 'ftp://x'}}]\n");
	assert_int_equal(config_read(f->other, NULL, &c, &error), -EINVAL);
	config_free(&c);
}

static void test_in_cluster(void **state)
{
	struct files *f = *state;
	struct config_error error;
	struct config c;
	char token[64];

	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(config_read_in_cluster(f->dir, &c, &error), -ENOENT);
	config_free(&c);
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_int_equal(config_read_in_cluster(f->dir, &c, &error), -ENOENT); /* no token */
	config_free(&c);
	snprintf(token, sizeof token, "%s/token", f->dir);
	write_file(token, "t\n");
	assert_int_equal(config_read_in_cluster(f->dir, &c, &error), 0);
	assert_string_equal(c.server, "https://[fd00::1]:443");
	assert_string_equal(c.token_file, token);
	config_free(&c);
	unlink(token);
	unsetenv("KUBERNETES_SERVICE_HOST");
}

static void test_base64(void **state)
{
	static const struct {
		const char *text, *bytes;
	} good[] = { { "", "" }, { "YQ==", "a" }, { "YWI=", "ab" }, { "YWJj", "abc" }, { " YW\nJj ", "abc" } };
	static const char *const bad[] = { "Y", "YQ", "YQ=", "YQ===", "Y=Q=", "Y*==" };
	char *out;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(config_base64(good[i].text, &out, &n), 0);
		assert_int_equal(n, strlen(good[i].bytes));
		assert_string_equal(out, good[i].bytes);
		free(out);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(config_base64(bad[i], &out, &n), -EINVAL);
}

static void test_yaml(void **state)
{
	static const char bomb[] = "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
				   "d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n";
	static const char self[] = "a: &a [*a]\n";
	static const char text[] = "x: &n {k: 'null', l: null}\ny: *n\n";
	char why[256];
	json_t *v = yaml_read(text, sizeof text - 1, why);

	(void)state;
	assert_non_null(v);
	assert_string_equal(json_string_value(json_object_get(json_object_get(v, "y"), "k")), "null");
	assert_true(json_is_null(json_object_get(json_object_get(v, "y"), "l")));
	json_decref(v);
	assert_null(yaml_read(bomb, sizeof bomb - 1, why));
	assert_null(yaml_read(self, sizeof self - 1, why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kubeconfig, files_make, files_remove),
		cmocka_unit_test_setup_teardown(test_kubeconfig_refused, files_make, files_remove),
		cmocka_unit_test_setup_teardown(test_kubeconfig_many, files_make, files_remove),
		cmocka_unit_test_setup_teardown(test_in_cluster, files_make, files_remove),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_yaml),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
