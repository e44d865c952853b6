/* import — ipamctl import --kubernetes. */
#ifndef IPAMCTL_KUBE_IMPORT_H
#define IPAMCTL_KUBE_IMPORT_H

int kube_import(int argc, char **argv);

#endif
