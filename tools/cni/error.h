/* error — the errors of the CNI specification, filled in where they happen. Functions return 0 or CNI_FAILED. */
#ifndef IPAMFS_CNI_ERROR_H
#define IPAMFS_CNI_ERROR_H

enum {
	CNI_VERSION_UNKNOWN = 1,
	CNI_UNSUPPORTED_FIELD = 2,
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO = 5,
	CNI_UNDECODABLE = 6,
	CNI_BAD_CONFIG = 7,
	CNI_TRY_AGAIN = 11,
	CNI_NOT_AVAILABLE = 50,
	/* our own */
	CNI_NO_ADDRESS = 100,      /* no address or block is left, or max-leases is reached */
	CNI_ADDRESS_HELD = 101,    /* the requested address is another's */
	CNI_ADDRESS_REFUSED = 102, /* the requested address can't be leased here */
	CNI_NO_NODE = 103,         /* the node has no directory, and is not to get one */
	CNI_LEASE_DIFFERS = 104,   /* CHECK: the lease is gone, or has other addresses */
	CNI_GC_INCOMPLETE = 105,   /* GC: some leases could not be released */
};

enum { CNI_FAILED = -1 };

struct cni_error {
	int code;
	char msg[512], details[512];
};
/* Fills it in; returns CNI_FAILED. The first error stays. */
int cni_fail(struct cni_error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same, with the system's word for an errno as details. */
int cni_fail_errno(struct cni_error *e, int code, int error, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same, with details in words: where the message is in those of the library that other plugins are made with, which people and
 * programs look for, they say what more there is to say. */
int cni_fail_more(struct cni_error *e, int code, const char *details, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* CNI_TRY_AGAIN where the mount or the file went away meanwhile, else CNI_IO. */
int cni_code_of(int error);

#endif
