/* SPDX-License-Identifier: MIT */

/* What the numbers depend on: the machine, the compiler, the commit, the engine. */

#include "bench/shim/harness.h"

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* The engine's name comes from libconc where the program links it; a bench without it has none. */
extern "C" const char *conc_engine_name(void) __attribute__((weak));

namespace harness
{

static std::string first_line(const char *path)
{
    std::string line;
    FILE *file = fopen(path, "re");
    if (file == nullptr)
        return line;
    char text[256];
    if (fgets(text, sizeof text, file) != nullptr)
        line.assign(text, strcspn(text, "\n"));
    fclose(file);
    return line;
}

/* What `argv` prints on its first line; empty when it cannot be run or fails. */
static std::string output_of(const char *const *argv)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return "";
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(ends[1], STDOUT_FILENO);
        if (null >= 0)
            dup2(null, STDERR_FILENO);
        execvp(argv[0], const_cast<char *const *>(argv));
        _exit(127);
    }
    close(ends[1]);
    std::string text;
    char piece[256];
    ssize_t got;
    while (child > 0 && (got = read(ends[0], piece, sizeof piece)) > 0)
        text.append(piece, static_cast<size_t>(got));
    close(ends[0]);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0)
        return "";
    return text.substr(0, text.find('\n'));
}

/* CONC_COMMIT, else what git says about the tree that holds this program. */
std::string find_commit()
{
    const char *given = getenv("CONC_COMMIT");
    if (given != nullptr && given[0] != '\0')
        return given;
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return "unknown";
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    const char *const head[] = {"git", "-C", self, "rev-parse", "--short=12", "HEAD", nullptr};
    std::string commit = output_of(head);
    if (commit.empty())
        return "unknown";
    const char *const dirty[] = {
        "git", "-C", self, "status", "--porcelain", "--untracked-files=no", nullptr};
    return output_of(dirty).empty() ? commit : commit + "+changes";
}

struct machine find_machine()
{
    struct machine m;
    struct utsname names;
    uname(&names);
    m.kernel = std::string(names.sysname) + " " + names.release;
    m.cpu = names.machine;
    m.is_virtual = false;
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[4096];
    while (file != nullptr && fgets(line, sizeof line, file) != nullptr) {
        char *colon = strchr(line, ':');
        if (colon == nullptr)
            continue;
        if (strncmp(line, "model name", 10) == 0)
            m.cpu.assign(colon + 2, strcspn(colon + 2, "\n"));
        else if (strncmp(line, "flags", 5) == 0 && strstr(colon, " hypervisor") != nullptr)
            m.is_virtual = true;
    }
    if (file != nullptr)
        fclose(file);
    cpu_set_t set;
    m.cores = sched_getaffinity(0, sizeof set, &set) == 0
                  ? CPU_COUNT(&set)
                  : static_cast<int>(std::thread::hardware_concurrency());
#ifdef __clang__
    m.compiler = "clang " __clang_version__;
#else
    m.compiler = "gcc " __VERSION__;
#endif
    m.governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    if (getloadavg(&m.load, 1) != 1)
        m.load = -1;
    return m;
}

const char *engine_name()
{
    return conc_engine_name != nullptr ? conc_engine_name() : "none";
}

} // namespace harness
