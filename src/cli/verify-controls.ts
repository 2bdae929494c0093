/** Which controls of three catalogues the checks of a layer support: evidence that one works, not that all of it is met. */
export interface Controls {
  /** NIST SP 800-53 rev. 5. */
  nist: readonly string[];
  /** AICPA Trust Services Criteria, as SOC 2 reports use them. */
  soc2: readonly string[];
  /** ISO/IEC 27001:2022, Annex A. */
  iso: readonly string[];
  /** How a layer is proved, in a sentence. */
  what: string;
}

export const controlsByLayer: Readonly<Record<string, Controls>> = {
  user: {
    what: 'Each app runs as a Unix user of its own, without capabilities, groups or a way to get any.',
    nist: ['AC-3', 'AC-5', 'AC-6', 'AC-6(10)', 'CM-7'],
    soc2: ['CC6.1', 'CC6.3'],
    iso: ['A.8.2', 'A.8.3'],
  },
  root: {
    what: "Each app sees a file system of its own, in which nothing is another's and only its data can be written.",
    nist: ['AC-3', 'AC-4', 'SC-4', 'SC-39', 'SI-7'],
    soc2: ['CC6.1', 'CC6.8'],
    iso: ['A.8.3', 'A.8.12', 'A.8.19'],
  },
  processes: {
    what: 'No app sees, signals or shares memory with a process outside of its sandbox, and nobody else is in there.',
    nist: ['SC-2', 'SC-4', 'SC-39', 'SI-4'],
    soc2: ['CC6.1', 'CC7.2'],
    iso: ['A.8.16', 'A.8.18'],
  },
  syscalls: {
    what: 'A filter refuses the system calls that no web app needs, before the first instruction of the app.',
    nist: ['CM-7', 'SC-3', 'SC-39', 'SI-16'],
    soc2: ['CC6.8', 'CC7.1'],
    iso: ['A.8.9', 'A.8.18'],
  },
  network: {
    what: 'A tenant has a network of its own, which reaches what its operator listed and nothing else.',
    nist: ['AC-4', 'SC-7', 'SC-7(5)', 'SC-7(21)'],
    soc2: ['CC6.1', 'CC6.6', 'CC6.7'],
    iso: ['A.8.20', 'A.8.22', 'A.8.23'],
  },
  resources: {
    what: 'A tenant can use its share of memory, processors and processes, and no more.',
    nist: ['SC-5', 'SC-5(2)', 'SC-6'],
    soc2: ['A1.1', 'CC7.2'],
    iso: ['A.8.6'],
  },
  disk: {
    what: 'A tenant can use its share of disk space and files, and no more.',
    nist: ['AC-3', 'SC-5', 'SC-6'],
    soc2: ['A1.1'],
    iso: ['A.8.6'],
  },
  secrets: {
    what: 'Secrets are in no environment, no argument and no core dump.',
    nist: ['AC-3', 'IA-5(7)', 'SC-12', 'SC-28'],
    soc2: ['CC6.1'],
    iso: ['A.8.11', 'A.8.24'],
  },
};

/** The periodical check itself, and its records. */
export const controlsOfVerify: Controls = {
  what: 'What runs is compared with what was promised after every start and every few minutes; every difference is recorded.',
  nist: ['AU-2', 'AU-12', 'CA-7', 'CM-6', 'SI-4', 'SI-6', 'SI-7'],
  soc2: ['CC4.1', 'CC7.1', 'CC7.2'],
  iso: ['A.8.9', 'A.8.15', 'A.8.16'],
};
