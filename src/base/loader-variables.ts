/**
 * Environment variables by which glibc loads or reads something before a program begins (ld.so(8), secure-execution mode). A
 * sandbox's environment is set before setpriv has dropped root's rights, so no app's may hold them.
 */
export const loaderVariables =
  /^(?:LD_.*|MALLOC_.*|GLIBC_TUNABLES|GCONV_PATH|GETCONF_DIR|HOSTALIASES|LOCALDOMAIN|LOCPATH|NIS_PATH|NLSPATH|RES_OPTIONS|RESOLV_HOST_CONF)$/;
