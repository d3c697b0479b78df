/* order.h - what the loop tells a keeper, and what it hears back
 *
 * One SOCK_SEQPACKET socket per slot between two processes of one program, so
 * structs travel as they are.
 *
 *   loop -> keeper   ORDER_RUN with its strings behind it (or in a memfd, when
 *                    they are many) and perhaps a descriptor for standard input;
 *                    ORDER_KILL
 *   keeper -> loop   REPORT_READY once, REPORT_STARTED for a task that lives
 *                    longer than KEEPER_STARTED_MS, REPORT_ENDED for every task
 *
 * The strings, each with its final zero: argv[0..argc), env[0..envc), cwd.
 */
#ifndef RUN_ORDER_H
#define RUN_ORDER_H

#include <stdint.h>
#include <sys/types.h>

enum {
    ORDER_INLINE_BYTES_MAX = 48 * 1024,   /* more strings than that travel in a memfd */
    ORDER_STRINGS_BYTES_MAX = 4 * 1024 * 1024,   /* the kernel allows less for execve */
    KEEPER_STARTED_MS      = 100,
};

enum order_kind { ORDER_RUN, ORDER_KILL };

struct order {
    uint32_t kind;
    uint32_t string_bytes;
    uint64_t task;
    uint32_t argc, envc;
    uint32_t time_limit_ms;       /* 0 = none */
    uint32_t grace_ms;
    uint64_t mem_bytes;           /* 0 = no limit */
    uint8_t  stdin_passed;        /* a descriptor comes along */
    uint8_t  strings_passed;      /* another one holds the strings */
    uint8_t  cwd_is_scratch;
    uint8_t  hard;                /* ORDER_KILL */
};

enum report_kind { REPORT_READY, REPORT_STARTED, REPORT_ENDED };

enum run_end {
    RUN_EXITED,
    RUN_SIGNALED,
    RUN_TIMED_OUT,
    RUN_MEMORY,
    RUN_NOT_STARTED,              /* the task's fault: stage and error tell */
    RUN_FAULT,                    /* this worker's fault: stage and error tell */
};

enum run_stage {
    STAGE_NONE, STAGE_FORK, STAGE_SCRATCH, STAGE_SESSION, STAGE_USER, STAGE_LIMIT, STAGE_STDIO,
    STAGE_CWD, STAGE_EXEC,
};

struct report {
    uint32_t kind;
    uint32_t end;                 /* enum run_end */
    uint64_t task;
    int32_t  status;              /* exit code; -N: ended by signal N */
    uint32_t stage;
    int32_t  error;               /* errno */
    int32_t  pid;                 /* of the task's leader; REPORT_READY: of the keeper */
    uint64_t started_unix_ms;
    uint64_t wall_us;
    uint64_t cpu_us;
    uint64_t rss_bytes;
};

#endif
