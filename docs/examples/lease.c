/* Make a cluster and a node in a database, lease an address there, show who holds it, and release it.
 *
 *   cc lease.c $(pkg-config --static --cflags --libs libipam) -o lease
 *   ./lease /tmp/example.db
 */
#include <ipam/ipam.h>

#include <stdio.h>
#include <string.h>

static const struct ipam_owner owner = { .uid = 0, .gid = 0, .mode = 0755 };

/* Each change calls back when it is durable. A program that has nothing else to do meanwhile waits for it. */
static int make(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, uint64_t *id)
{
	struct ipam_wait *wait = ipam_wait_new();
	struct ipam_object made;
	int rc;

	if (wait == NULL)
		return -1;
	ipam_make(ipam, kind, parent, name, 0, &owner, ipam_by_self(), ipam_wait_done, wait);
	rc = ipam_wait(wait, &made);
	if (rc == 0)
		*id = made.id;
	return rc;
}

static int set_cidrs(struct ipam *ipam, uint64_t cluster, const char *text)
{
	struct ipam_wait *wait = ipam_wait_new();

	if (wait == NULL)
		return -1;
	ipam_write(ipam, IPAM_CLUSTER_CIDRS, cluster, text, strlen(text), false, ipam_by_self(), ipam_wait_done, wait);
	return ipam_wait(wait, NULL);
}

static int release(struct ipam *ipam, uint64_t node, const char *name)
{
	struct ipam_wait *wait = ipam_wait_new();

	if (wait == NULL)
		return -1;
	ipam_remove(ipam, IPAM_LEASE, node, name, ipam_by_self(), ipam_wait_done, wait);
	return ipam_wait(wait, NULL);
}

static int show(void *arg, const struct ipam_lease_view *lease)
{
	char text[CIDR_ADDR_TEXT];

	(void)arg;
	for (unsigned family = 0; family < CIDR_FAMILIES; family++)
		if (lease->has[family]) {
			cidr_print_addr(family, lease->addr[family], text);
			printf("%s/%s/%s %s\n", lease->cluster_name, lease->node_name, lease->name, text);
		}
	return 0;
}

int main(int argc, char **argv)
{
	struct ipam_options options = { .size = sizeof options, .create = true };
	struct ipam_error error;
	struct ipam *ipam;
	uint64_t cluster, node, lease;
	int rc;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DATABASE\n", argv[0]);
		return 2;
	}
	if (ipam_open(argv[1], &options, &ipam, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	rc = make(ipam, IPAM_CLUSTER, IPAM_ROOT_ID, "prod", &cluster);
	if (rc == 0)
		rc = set_cidrs(ipam, cluster, "10.244.0.0/16 24\nfd00:10:244::/48 64\n");
	if (rc == 0)
		rc = make(ipam, IPAM_NODE, cluster, "worker-1", &node);
	if (rc == 0)
		rc = make(ipam, IPAM_LEASE, node, "web-0", &lease);
	if (rc == 0) {
		ipam_read_begin(ipam);
		rc = ipam_each_lease(ipam, IPAM_ROOT, IPAM_ROOT_ID, show, NULL);
		ipam_read_end(ipam);
	}
	if (rc == 0)
		rc = release(ipam, node, "web-0");
	ipam_close(ipam);
	if (rc != 0)
		fprintf(stderr, "%s\n", strerror(-rc));
	return rc != 0;
}
