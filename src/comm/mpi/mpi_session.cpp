// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/mpi_session.hpp"

#include "comm/mpi/detail/mpi_communicator.hpp"
#include "comm/mpi/detail/mpi_try.hpp"
#include "core/error.hpp"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

namespace tessera::comm {
namespace {

/// The variables by which a launcher numbers its tasks.
struct LauncherVariables {
  const char* by;
  const char* tasks;
  const char* task;
};

// The launchers of MPI libraries first: their tasks may be started by the daemons of a step of Slurm.
constexpr std::array<LauncherVariables, 3> kLaunchers{{{"mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                                       {"mpiexec", "PMI_SIZE", "PMI_RANK"},
                                                       {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"}}};

int number(const char* text) { return static_cast<int>(std::strtol(text, nullptr, 10)); }

/// Ends this process when it lives longer than `limit`. Low ranks come first, and the launcher ends the others then.
class Deadline {
 public:
  Deadline(std::chrono::seconds limit, std::chrono::steady_clock::time_point start, int task, const char* what)
      : thread_([this, limit, start, task, what] {
          const auto deadline = start + limit + std::chrono::milliseconds(std::min(1500 * task, 10000));
          std::unique_lock lock(mutex_);
          if (wake_.wait_until(lock, deadline, [this] { return is_met_; })) return;
          // This process itself was stopped: another one has said so, and the launcher continued this one to end it.
          const bool was_stopped = std::chrono::steady_clock::now() > deadline + std::chrono::seconds(1);
          if (was_stopped && wake_.wait_for(lock, std::chrono::seconds(10), [this] { return is_met_; })) return;
          std::fprintf(stderr,
                       "tessera: rank %d waited %lld s for %s of all ranks: a rank, a host or the network hangs; "
                       "TESSERA_START_SECONDS sets the limit\n",
                       task, static_cast<long long>(limit.count()), what);
          std::_Exit(static_cast<int>(ExitStatus::kIo));
        }) {}
  ~Deadline() {
    {
      const std::scoped_lock lock(mutex_);
      is_met_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_met_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace

MpiSession::MpiSession(std::chrono::seconds limit) : limit_(limit), launch_(launch()) {
  const Deadline deadline(limit_, start_, launch_.task, "the start");
  int provided = MPI_THREAD_SINGLE;
  TESSERA_MPI_TRY(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
  if (provided < MPI_THREAD_FUNNELED)
    fail(ExitStatus::kInternal, "the MPI library grants no thread support (MPI_THREAD_FUNNELED is needed)");
}

MpiSession::~MpiSession() {
  const Deadline deadline(limit_, std::chrono::steady_clock::now(), launch_.task, "the end");
  (void)MPI_Finalize();
}

std::unique_ptr<Communicator> MpiSession::world(std::chrono::seconds watchdog) const {
  // The first one belongs to the start: ranks that are further than others have the same deadline.
  const auto now = std::chrono::steady_clock::now();
  const Deadline deadline(limit_, now - start_ < limit_ / 2 ? start_ : now, launch_.task, "the start");
  return detail::make_mpi_communicator(MPI_COMM_WORLD, watchdog);
}

// A launcher that cannot be reached leaves MPI_Abort waiting.
void MpiSession::abort(int exit_status) {
  static constexpr std::chrono::seconds kLongest{5};
  std::thread([exit_status] {
    std::this_thread::sleep_for(kLongest);
    std::_Exit(exit_status);
  }).detach();
  (void)MPI_Abort(MPI_COMM_WORLD, exit_status);
  std::_Exit(exit_status);
}

bool MpiSession::started_by_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (std::getenv(name) != nullptr) return true;  // NOLINT(concurrency-mt-unsafe): read once at start
  return false;
}

Launch MpiSession::launch() {
  for (const LauncherVariables& launcher : kLaunchers) {
    const char* tasks = std::getenv(launcher.tasks);  // NOLINT(concurrency-mt-unsafe): read once at start
    const char* task = std::getenv(launcher.task);    // NOLINT(concurrency-mt-unsafe): likewise
    if (tasks != nullptr && task != nullptr) return {launcher.by, number(tasks), number(task)};
  }
  return {};
}

std::string MpiSession::library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  if (MPI_Get_library_version(text.data(), &length) != MPI_SUCCESS) return "an unknown library";
  std::string line(text.data(),
                   std::find_if(text.begin(), text.end(), [](char c) { return c == 0 || c == ',' || c == '\n'; }));
  std::replace(line.begin(), line.end(), '\t', ' ');
  return line;
}

}  // namespace tessera::comm
