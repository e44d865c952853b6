/* kube_dump NODES PODS SEED: what 'kubectl get nodes,pods -A -o json' prints of a cluster of that size, always the same
 * for the same numbers: made up, but shaped and sized as the API server's objects are.
 *
 * Nodes have blocks of 10.0.0.0/8 (/24) and fd00::/48 (/64), but for a few that wait for theirs; pods have addresses
 * inside, but for 0.02 % that lie elsewhere. 4 % are in the host's network, 5 % have ended, 0.1 % have another pod's
 * address. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- chance
 * ----------------------------------------------------------------------------------------------------------- */

static uint64_t state;

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
	return (unsigned)(draw() % n);
}

static void letters(char *out, unsigned n, const char *of)
{
	unsigned size = (unsigned)strlen(of);

	for (unsigned i = 0; i < n; i++)
		out[i] = of[below(size)];
	out[n] = 0;
}

static const char safe[] = "bcdfghjklmnpqrstvwxz2456789", hex[] = "0123456789abcdef";

static void make_uid(char out[37])
{
	letters(out, 36, hex);
	out[8] = out[13] = out[18] = out[23] = '-';
	out[14] = '4';
	out[19] = "89ab"[below(4)];
}

static void make_time(char out[21])
{
	snprintf(out, 21, "20%02u-%02u-%02uT%02u:%02u:%02uZ", 23 + below(3), 1 + below(12), 1 + below(28), below(24), below(60), below(60));
}

/* ---- output: indented by four, as kubectl does
 * ------------------------------------------------------------------------ */

static unsigned depth;

static void new_line(void)
{
	putchar('\n');
	for (unsigned i = 0; i < depth; i++)
		fputs("    ", stdout);
}

/* Takes JSON without blanks between its parts, and with ' for ". */
static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void put(const char *format, ...)
{
	static char text[16384];
	static int quoted; /* a member may be put in pieces */
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	for (const char *p = text; *p != 0; p++) {
		if (*p == '\'') {
			quoted = !quoted;
			putchar('"');
		} else if (quoted) {
			putchar(*p);
		} else if ((*p == '{' || *p == '[') && p[1] == (*p == '{' ? '}' : ']')) {
			putchar(*p++);
			putchar(*p);
		} else if (*p == '{' || *p == '[') {
			putchar(*p);
			depth++;
			new_line();
		} else if (*p == '}' || *p == ']') {
			depth--;
			new_line();
			putchar(*p);
		} else {
			putchar(*p);
			if (*p == ',')
				new_line();
			else if (*p == ':')
				putchar(' ');
		}
	}
}

/* ---- nodes
 * ------------------------------------------------------------------------------------------------------------ */

struct host {
	char name[64], address[24];
	unsigned number, pods;
	int has_cidr;
};

static void make_host(struct host *h, unsigned i)
{
	snprintf(h->name, sizeof h->name, "ip-172-%u-%u-%u.eu-central-1%c.compute.internal", 16 + (i >> 16), (i >> 8) & 255, i & 255,
		 "abc"[i % 3]);
	snprintf(h->address, sizeof h->address, "172.%u.%u.%u", 16 + (i >> 16), (i >> 8) & 255, i & 255);
	h->number = i;
	h->has_cidr = i % 1000 != 20;
}

/* fd00:0:0:N::, as it is written shortest. */
static const char *six(const struct host *h)
{
	static char text[32];

	snprintf(text, sizeof text, h->number == 0 ? "fd00::" : "fd00:0:0:%x::", h->number);
	return text;
}

static void put_condition(const char *type, const char *status, const char *reason, const char *time)
{
	put("{'lastHeartbeatTime':'%s','lastTransitionTime':'%s','message':'kubelet says: "
	    "%s','reason':'%s','status':'%s','type':'%s'},",
	    time, time, reason, reason, status, type);
}

static void put_node(const struct host *h)
{
	char time[21], uid[37], hash[65];
	unsigned low = h->number & 255, high = h->number >> 8;

	make_time(time);
	make_uid(uid);
	put("{'apiVersion':'v1','kind':'Node','metadata':{'annotations':{'node.alpha.kubernetes.io/ttl':'0',"
	    "'volumes.kubernetes.io/controller-managed-attach-detach':'true'},'creationTimestamp':'%s',"
	    "'labels':{'kubernetes.io/arch':'amd64','kubernetes.io/hostname':'%s','kubernetes.io/os':'linux',"
	    "'node.kubernetes.io/instance-type':'m6i.2xlarge','topology.kubernetes.io/region':'eu-central-1'},"
	    "'name':'%s','resourceVersion':'%u','uid':'%s'},'spec':{",
	    time, h->name, h->name, below(1U << 30), uid);
	if (h->has_cidr)
		put("'podCIDR':'10.%u.%u.0/24','podCIDRs':['10.%u.%u.0/24','%s/64'],", high, low, high, low, six(h));
	put("'providerID':'aws:///eu-central-1%c/i-%016" PRIx64 "'},'status':{", "abc"[h->number % 3], draw());
	put("'addresses':[{'address':'%s','type':'InternalIP'},{'address':'%s','type':'Hostname'}],"
	    "'allocatable':{'cpu':'7910m','ephemeral-storage':'77298884354','memory':'31482284Ki','pods':'110'},"
	    "'capacity':{'cpu':'8','ephemeral-storage':'83873772Ki','memory':'32499116Ki','pods':'110'},'conditions':[",
	    h->address, h->name);
	put_condition("MemoryPressure", "False", "KubeletHasSufficientMemory", time);
	put_condition("DiskPressure", "False", "KubeletHasNoDiskPressure", time);
	put("{'lastHeartbeatTime':'%s','lastTransitionTime':'%s','status':'%s','type':'Ready'}],'images':[", time, time,
	    h->has_cidr ? "True" : "False");
	for (unsigned i = 0; i < 12; i++) {
		letters(hash, 64, hex);
		put("%s{'names':['registry.example.com/platform/image-%u@sha256:%s'],'sizeBytes':%u}", i > 0 ? "," : "", i, hash,
		    below(1U << 30));
	}
	put("],'nodeInfo':{'architecture':'amd64','containerRuntimeVersion':'containerd://"
	    "1.7.11','kernelVersion':'6.1.0-18-cloud-amd64',"
	    "'kubeletVersion':'v1.29.3','operatingSystem':'linux','osImage':'Debian GNU/Linux 12 (bookworm)'}}}");
}

/* ---- pods
 * ------------------------------------------------------------------------------------------------------------- */

struct pod {
	char space[32], app[48], set[64], name[96], uid[37], created[21], container[65], four[48], six[48];
	enum { PLAIN, HOST_NETWORK, ENDED, WAITING } fate;
	const struct host *host;
};

static void name_pod(struct pod *p)
{
	static const char *const spaces[] = { "default",    "kube-system",   "payments",           "checkout",   "search",
					      "monitoring", "ingress-nginx", "team-data-platform", "ml-serving", "istio-system" };
	static const char *const apps[] = { "api",   "web-frontend", "order-processor", "recommendation-engine", "cache-warmer",
					    "redis", "fluent-bit",   "node-exporter",   "invoice-generator",     "session-store" };
	char hash[16], tail[8];

	snprintf(p->space, sizeof p->space, "%s", spaces[below(10)]);
	snprintf(p->app, sizeof p->app, "%s", apps[below(10)]);
	letters(hash, 8 + below(3), safe);
	letters(tail, 5, safe);
	snprintf(p->set, sizeof p->set, "%s-%s", p->app, hash);
	snprintf(p->name, sizeof p->name, "%s-%s", p->set, tail);
	make_uid(p->uid);
	make_time(p->created);
	letters(p->container, 64, hex);
}

static void put_metadata(const struct pod *p)
{
	put("'metadata':{'annotations':{'checksum/config':'%s','prometheus.io/port':'8080','prometheus.io/"
	    "scrape':'true',"
	    "'example.com/note':'say \\\"hello\\\" to {curly} [square] \\\\ \\u00fcber: "
	    "\xe2\x82\xac'},'creationTimestamp':'%s',"
	    "'generateName':'%s-','labels':{'app.kubernetes.io/instance':'%s','app.kubernetes.io/managed-by':'Helm',"
	    "'app.kubernetes.io/name':'%s','pod-template-hash':'%s'},'name':'%s','namespace':'%s','ownerReferences':["
	    "{'apiVersion':'apps/"
	    "v1','blockOwnerDeletion':true,'controller':true,'kind':'ReplicaSet','name':'%s','uid':'%s'}],"
	    "'resourceVersion':'%u','uid':'%s'},",
	    p->container, p->created, p->set, p->app, p->app, strrchr(p->set, '-') + 1, p->name, p->space, p->set, p->uid, below(1U << 30),
	    p->uid);
}

static void put_spec(const struct pod *p)
{
	put("'spec':{'containers':[{'args':['--config=/etc/app/"
	    "config.yaml','--log-format=json'],'env':[{'name':'POD_IP','valueFrom':{"
	    "'fieldRef':{'apiVersion':'v1','fieldPath':'status.podIP'}}}],'image':'registry.example.com/apps/"
	    "%s:1.%u.%u',"
	    "'imagePullPolicy':'IfNotPresent','livenessProbe':{'failureThreshold':3,'httpGet':{'path':'/"
	    "healthz','port':8080,"
	    "'scheme':'HTTP'},'periodSeconds':10,'successThreshold':1,'timeoutSeconds':1},'name':'%s','ports':[{'"
	    "containerPort':8080,"
	    "'name':'http','protocol':'TCP'}],'resources':{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'100m'"
	    ","
	    "'memory':'256Mi'}},'terminationMessagePath':'/dev/"
	    "termination-log','terminationMessagePolicy':'File','volumeMounts':["
	    "{'mountPath':'/etc/app','name':'config'},{'mountPath':'/var/run/secrets/kubernetes.io/serviceaccount',"
	    "'name':'kube-api-access-%.5s','readOnly':true}]}],'dnsPolicy':'ClusterFirst','enableServiceLinks':true,",
	    p->app, below(30), below(20), p->app, p->container);
	put("%s'nodeName':'%s','preemptionPolicy':'PreemptLowerPriority','priority':0,'restartPolicy':'Always',"
	    "'schedulerName':'default-scheduler','securityContext':{},'serviceAccountName':'%s','"
	    "terminationGracePeriodSeconds':30,"
	    "'tolerations':[{'effect':'NoExecute','key':'node.kubernetes.io/"
	    "not-ready','operator':'Exists','tolerationSeconds':300},"
	    "{'effect':'NoExecute','key':'node.kubernetes.io/"
	    "unreachable','operator':'Exists','tolerationSeconds':300}],"
	    "'volumes':[{'configMap':{'defaultMode':420,'name':'%s'},'name':'config'},{'name':'kube-api-access-%.5s','"
	    "projected':{"
	    "'defaultMode':420,'sources':[{'serviceAccountToken':{'expirationSeconds':3607,'path':'token'}}]}}]},",
	    p->fate == HOST_NETWORK ? "'hostNetwork':true," : "", p->host->name, p->app, p->app, p->container);
}

static void put_status(const struct pod *p, const char *phase)
{
	static const char *const conditions[] = { "Initialized", "Ready", "ContainersReady", "PodScheduled" };
	const char *is = p->fate == ENDED ? "False" : "True", *ready = p->fate == ENDED ? "false" : "true";

	put("'status':{'conditions':[");
	for (unsigned i = 0; i < 4; i++)
		put("%s{'lastProbeTime':null,'lastTransitionTime':'%s','status':'%s','type':'%s'}", i > 0 ? "," : "", p->created, is,
		    conditions[i]);
	put("],'hostIP':'%s','phase':'%s',", p->host->address, phase);
	if (p->fate != WAITING)
		put("'containerStatuses':[{'containerID':'containerd://%s','image':'registry.example.com/apps/"
		    "%s','imageID':"
		    "'registry.example.com/apps/"
		    "%s@sha256:%s','lastState':{},'name':'%s','ready':%s,'restartCount':%u,'started':%s,"
		    "'state':{'%s':{'startedAt':'%s'}}}],'podIP':'%s','podIPs':[{'ip':'%s'}%s%s%s],",
		    p->container, p->app, p->app, p->container, p->app, ready, below(5), ready, p->fate == ENDED ? "terminated" : "running",
		    p->created, p->four, p->four, *p->six != 0 ? ",{'ip':'" : "", p->six, *p->six != 0 ? "'}" : "");
	put("'qosClass':'Burstable','startTime':'%s'}", p->created);
}

static void put_pod(const struct pod *p, unsigned number)
{
	put("{'apiVersion':'v1','kind':'Pod',");
	put_metadata(p);
	put_spec(p);
	put_status(p, p->fate == WAITING ? "Pending" : p->fate != ENDED ? "Running" : number % 2 == 0 ? "Succeeded" : "Failed");
	put("}");
}

/* What has ended keeps an address in the dump that is somebody's by now. */
static void place(struct pod *p, struct host *h, unsigned number)
{
	unsigned low = 2 + h->pods, dice = below(10000);

	p->host = h;
	p->fate = !h->has_cidr ? WAITING : dice < 400 ? HOST_NETWORK : dice < 900 ? ENDED : dice < 915 ? WAITING : PLAIN;
	if (p->fate == HOST_NETWORK) {
		strcpy(p->four, h->address);
		return;
	}
	if (p->fate == ENDED)
		low = 2 + below(h->pods + 1);
	else if (p->fate == PLAIN && h->pods > 0 && number % 1000 == 500)
		low = 1 + h->pods; /* the last one's, too */
	else if (p->fate == PLAIN)
		h->pods++;
	snprintf(p->four, sizeof p->four, "10.%u.%u.%u", h->number >> 8, h->number & 255, low);
	snprintf(p->six, sizeof p->six, "%s%x", six(h), low);
	if (p->fate == PLAIN && number % 5000 == 700)
		snprintf(p->four, sizeof p->four, "192.168.%u.%u", (number / 250) % 256, 2 + number % 250);
}

int main(int argc, char **argv)
{
	unsigned nodes = argc > 1 ? (unsigned)atoi(argv[1]) : 0, pods = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	struct host *host = calloc(nodes + 1, sizeof *host);

	if (argc != 4 || nodes == 0 || nodes > 65536 || pods / nodes > 200 || host == NULL) {
		fputs("usage: kube_dump NODES PODS SEED\n", stderr);
		return 2;
	}
	state = strtoull(argv[3], NULL, 10);
	put("{'apiVersion':'v1','items':[");
	for (unsigned i = 0; i < nodes; i++) {
		make_host(&host[i], i);
		put_node(&host[i]);
		if (i + 1 < nodes || pods > 0)
			put(",");
	}
	for (unsigned i = 0; i < pods; i++) {
		struct pod p = { .fate = PLAIN };
		struct host *h;

		name_pod(&p);
		do
			h = &host[below(nodes)];
		while (h->pods > 240);
		place(&p, h, i);
		put_pod(&p, i);
		if (i + 1 < pods)
			put(",");
	}
	put("],'kind':'List','metadata':{'resourceVersion':''}}");
	putchar('\n');
	free(host);
	return ferror(stdout) != 0 || fflush(stdout) != 0;
}
