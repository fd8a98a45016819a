/* SPDX-License-Identifier: MIT */

/* The program around the measurement: command line, messages, the result file. */

#include "bench/baselines/whole_file.h"
#include "bench/shim/harness.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <regex.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace harness;

namespace
{

/* A thread that sleeps for as long as the program measures: see "second thread" in bench.h. */
class bystander
{
  public:
    bystander() : thread([this] { sleep(); })
    {
    }

    ~bystander()
    {
        {
            std::lock_guard<std::mutex> guard(lock);
            over = true;
        }
        wake.notify_one();
        thread.join();
    }

  private:
    void sleep()
    {
        std::unique_lock<std::mutex> guard(lock);
        wake.wait(guard, [this] { return over; });
    }

    std::mutex lock;
    std::condition_variable wake;
    bool over = false; /* under lock */
    std::thread thread;
};

} // namespace

/* ---- command line ---- */

[[noreturn]] static void bad_usage(const struct bench_program *program, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

[[noreturn]] static void bad_usage(const struct bench_program *program, const char *format, ...)
{
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%02d_%s: %s; --help lists the flags\n", program->number, program->slug, text);
    exit(2);
}

static void print_help(const struct bench_program *program)
{
    printf("usage: %02d_%s [flags]\n"
           "\n"
           "Measures %s: serial and concurrent, interleaved in rounds.\n"
           "\n"
           "  --quick         smaller runs, about 8 seconds in all; long cases may get fewer\n"
           "                  rounds\n"
           "  --rounds N      exactly N rounds, 1 to 10000, however long it takes\n"
           "  --json FILE     write every round's time and the facts of the machine to FILE\n"
           "  --filter REGEX  only the cases whose name matches, an extended regular expression\n"
           "  --smoke         each case once, with few items: checks results, asserts no speed\n"
           "  --list          print the names of the cases and end\n"
           "  --help          print this and end\n"
           "\n"
           "exit code: 0 done, 1 a result is wrong or nothing matches, 2 bad usage\n",
        program->number, program->slug, program->title);
}

static int64_t parse_rounds(const struct bench_program *program, const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1 || value > 10000)
        bad_usage(program, "--rounds: '%s' is not a number from 1 to 10000", text);
    return value;
}

static struct options parse(int argc, char **argv, const struct bench_program *program)
{
    struct options o;
    for (int i = 1; i < argc; i++) {
        std::string flag = argv[i];
        const char *value = nullptr;
        size_t equals = flag.find('=');
        if (flag.compare(0, 2, "--") == 0 && equals != std::string::npos) {
            value = argv[i] + equals + 1;
            flag.resize(equals);
        }
        bool takes = flag == "--rounds" || flag == "--json" || flag == "--filter";
        bool plain = flag == "--quick" || flag == "--smoke" || flag == "--list" || flag == "--help";
        if (!takes && !plain)
            bad_usage(program, "no flag '%s'", argv[i]);
        if (plain && value != nullptr)
            bad_usage(program, "%s takes no value", flag.c_str());
        if (takes && value == nullptr && ++i < argc)
            value = argv[i];
        if (takes && (value == nullptr || *value == '\0'))
            bad_usage(program, "%s needs a value", flag.c_str());
        if (flag == "--help") {
            print_help(program);
            exit(0);
        }
        if (flag == "--list")
            o.list = true;
        else if (flag == "--rounds")
            o.rounds = parse_rounds(program, value);
        else if (flag == "--json")
            o.json = value;
        else if (flag == "--filter")
            o.filter = value;
        else
            o.mode = flag == "--smoke" ? mode::smoke : mode::quick;
    }
    return o;
}

/* Drops the cases that do not match. Only case names are matched, not titles. */
static void apply_filter(cases &all, const struct bench_program *program, const std::string &filter)
{
    regex_t regex;
    int rc = regcomp(&regex, filter.c_str(), REG_EXTENDED | REG_NOSUB);
    if (rc != 0) {
        char why[128];
        regerror(rc, &regex, why, sizeof why);
        bad_usage(program, "--filter: '%s': %s", filter.c_str(), why);
    }
    auto misses = [&](const std::unique_ptr<bench_case> &c) {
        return regexec(&regex, c->name.c_str(), 0, nullptr, 0) != 0;
    };
    all.erase(std::remove_if(all.begin(), all.end(), misses), all.end());
    regfree(&regex);
}

/* Says which cases got fewer rounds than the mode promises. */
static void say_fewer(const cases &all, const struct bench_program *program, int64_t promised)
{
    size_t fewest = SIZE_MAX;
    int short_ones = 0;
    for (auto &c : all)
        if (!c->failed() && c->have() < promised) {
            short_ones++;
            fewest = std::min(fewest, c->rounds.size());
        }
    if (short_ones > 0)
        fprintf(stderr, "%02d_%s: %d of %zu cases got fewer than %d rounds, the fewest %zu\n",
            program->number, program->slug, short_ones, all.size(), static_cast<int>(promised),
            fewest);
}

/* One line for all failures. The exit code. */
static int say_failures(const cases &all, const struct bench_program *program)
{
    int failures = 0;
    const struct bench_case *first = nullptr;
    for (auto &c : all)
        if (c->failed() && failures++ == 0)
            first = c.get();
    if (failures == 0)
        return 0;
    std::string more;
    if (failures > 1)
        more = ", and " + std::to_string(failures - 1) + " more failed";
    fprintf(stderr, "%02d_%s: %s: %s%s\n", program->number, program->slug, first->name.c_str(),
        first->failure.c_str(), more.c_str());
    return 1;
}

/* ---- what C sees ---- */

void bench_fail(const struct bench_run *run, const char *format, ...)
{
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    run->self->fail(text[0] != '\0' ? text : "failed");
}

int bench_main(int argc, char **argv, const struct bench_program *program)
{
    int64_t start = bench_now_ns();
    struct options o = parse(argc, argv, program);
    cases all;
    make_cases(all, program, o.mode);
    if (!o.filter.empty())
        apply_filter(all, program, o.filter);
    if (all.empty()) {
        fprintf(stderr, "%02d_%s: --filter: no case matches '%s'; --list shows their names\n",
            program->number, program->slug, o.filter.c_str());
        return 1;
    }
    if (o.list) {
        for (auto &c : all)
            printf("%s\n", c->name.c_str());
        return 0;
    }
    int rc = o.json.empty() ? 0 : whole_file_check(o.json.c_str());
    if (rc != 0) {
        fprintf(stderr, "%02d_%s: cannot write %s: %s\n", program->number, program->slug,
            o.json.c_str(), strerror(rc));
        return 2;
    }

    struct machine facts = find_machine(); /* before our own load shows */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    bystander second_thread;
    calibrate_work();

    int64_t promised = measure_all(all, program, o, start);

    printf("%02d %s: %s, %s engine, %d cores\n", program->number, program->slug, program->title,
        engine_name(), facts.cores);
    print_table(all);
    fflush(stdout);
    say_fewer(all, program, promised);
    int code = say_failures(all, program);
    if (!o.json.empty()) {
        std::string text = results_json(program, all, facts, o, promised);
        rc = whole_file_write(o.json.c_str(), text.data(), text.size());
        if (rc != 0) {
            fprintf(stderr, "%02d_%s: cannot write %s: %s\n", program->number, program->slug,
                o.json.c_str(), strerror(rc));
            return 1;
        }
    }
    return code;
}
