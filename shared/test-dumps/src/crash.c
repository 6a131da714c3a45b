/* A game that crashes: its SIGSEGV handler writes what `crash_context::CrashContext` holds to standard output, and waits. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

struct crash_context {
    ucontext_t context;
    struct _libc_fpstate float_state;
    struct signalfd_siginfo siginfo;
    pid_t pid;
    pid_t tid;
};

static void on_crash(int number, siginfo_t *info, void *context) {
    static struct crash_context crash;
    memcpy(&crash.context, context, sizeof crash.context);
    memcpy(&crash.float_state, crash.context.uc_mcontext.fpregs, sizeof crash.float_state);
    crash.siginfo.ssi_signo = (uint32_t)number;
    crash.siginfo.ssi_code = info->si_code;
    crash.siginfo.ssi_addr = (uint64_t)(uintptr_t)info->si_addr;
    crash.pid = getpid();
    crash.tid = (pid_t)syscall(SYS_gettid);
    if (write(1, &crash, sizeof crash) == sizeof crash) {
        for (;;) pause();
    }
    _exit(1);
}

__attribute__((noinline)) static int load_level(volatile int *level) { return *level; }
__attribute__((noinline)) static int start_game(volatile int *level) { return load_level(level) + 1; }

int main(void) {
    struct sigaction action = {0};
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, 0);
    return start_game(0) + 1;
}
