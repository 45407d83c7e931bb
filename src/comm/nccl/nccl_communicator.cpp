// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/nccl_communicator.hpp"

#include "comm/agreement.hpp"
#include "comm/mpi/mpi_session.hpp"
#include "comm/nccl/detail/watch.hpp"
#include "comm/nccl/device_location.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "device/cuda/check.hpp"

#include <nccl.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::comm {
namespace {

using detail::Progress;

static_assert(NCCL_VERSION_CODE >= NCCL_VERSION(2, 18, 0), "NCCL 2.18 or newer is needed");

constexpr std::uint64_t kSplitBytes = std::uint64_t{1} << 30U;
constexpr std::chrono::seconds kAbortTime{5};

/// `communicator` may be null: then there is no more to say than the kind of error.
void check_nccl(ncclResult_t status, const char* call, ncclComm_t communicator) {
  if (status == ncclSuccess || status == ncclInProgress) return;
  const char* last = communicator == nullptr ? "" : ncclGetLastError(communicator);
  fail(ExitStatus::kIo, "{} failed: {} ({})", call, ncclGetErrorString(status), last == nullptr ? "" : last);
}
#define TESSERA_NCCL_TRY(call, communicator) check_nccl(call, #call, communicator)

Progress progress_of(ncclComm_t communicator) {
  ncclResult_t state = ncclSuccess;
  TESSERA_NCCL_TRY(ncclCommGetAsyncError(communicator, &state), communicator);
  check_nccl(state, "a NCCL operation", communicator);
  return state == ncclInProgress ? Progress::kPending : Progress::kDone;
}

/// Collective. NCCL refuses two ranks on one device, but only after the others wait for them.
void check_locations(Communicator& host, device::Device device) {
  const DeviceLocation mine = together(host, [&] { return location_of(device); });
  const std::string reason = why_not_direct(gather_locations(host, mine));
  if (!reason.empty())
    throw AgreedError(ExitStatus::kUsage, fmt::format("NCCL needs a device for each rank: {}", reason));
}

/// Collective. A number that names this communicator, made by rank 0.
ncclUniqueId agree_on_id(Communicator& host) {
  ncclUniqueId id{};
  on_root(host, [&] { TESSERA_NCCL_TRY(ncclGetUniqueId(&id), nullptr); });
  host.broadcast(std::as_writable_bytes(std::span(&id, 1)), Rank(0));
  return id;
}

class NcclCommunicator final : public DeviceCommunicator {
 public:
  NcclCommunicator(Communicator& host, device::Device device, std::chrono::seconds watchdog)
      : host_(host), device_(device), watchdog_(watchdog) {}

  ~NcclCommunicator() override {
    if (handle_ == nullptr) return;
    if (std::uncaught_exceptions() > 0 || !close()) abort_quietly();
  }
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  /// All ranks together; a rank that fails on its own throws on its own.
  void connect(const ncclUniqueId& id) {
    device::make_current(device_);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    TESSERA_NCCL_TRY(ncclCommInitRankConfig(&handle_, host_.size(), id, host_.rank().value(), &config), nullptr);
    if (!detail::poll_until_done([this] { return progress(); }, watchdog_))
      fail(ExitStatus::kIo, "waited {} s for all ranks to connect through NCCL; run.watchdog_seconds sets the limit",
           watchdog_.count());
  }

  void exchange(std::span<const DeviceSend> sends, std::span<const DeviceReceive> receives,
                device::StreamView stream) override {
    note(sends, receives);
    if (sends.empty() && receives.empty()) return;
    device::make_current(device_);
    TESSERA_NCCL_TRY(ncclGroupStart(), handle_);
    for (const DeviceSend& send : sends)
      in_pieces(send.data, [&](device::Span<const std::byte> piece) {
        TESSERA_NCCL_TRY(ncclSend(piece.data(), piece.size(), ncclUint8, send.to.value(), handle_, stream.handle()),
                         handle_);
      });
    for (const DeviceReceive& receive : receives)
      in_pieces(receive.buffer, [&](device::Span<std::byte> piece) {
        TESSERA_NCCL_TRY(
            ncclRecv(piece.data(), piece.size(), ncclUint8, receive.from.value(), handle_, stream.handle()), handle_);
      });
    TESSERA_NCCL_TRY(ncclGroupEnd(), handle_);
    // A communicator that does not block may still be enqueueing; the stream shows the work only after that.
    watch([this] { return progress(); });
  }

  void wait(device::StreamView stream) override { wait_for(stream); }
  void wait(device::EventView event) override { wait_for(event); }

  void give_up(device::StreamView stream) noexcept override {
    abort_quietly();
    try {
      if (detail::poll_until_done([&] { return stream.is_done() ? Progress::kDone : Progress::kPending; }, kAbortTime))
        return;
    } catch (const Error&) {
      return;  // failed work is not under way either
    }
    say("transfers do not end, though they were given up");
    MpiSession::abort(static_cast<int>(ExitStatus::kIo));
  }

  void set_watchdog(std::chrono::seconds limit) override { watchdog_ = limit; }
  [[nodiscard]] std::uint64_t bytes_sent() const override { return bytes_sent_; }

 private:
  /// Checks NCCL, and lets MPI make progress: another rank may need an MPI message before it enters this transfer.
  Progress progress() {
    host_.progress();
    return progress_of(handle_);
  }

  template <class T, class Transfer>
  static void in_pieces(device::Span<T> all, const Transfer& transfer) {
    for (std::uint64_t at = 0; at < all.size(); at += kSplitBytes)
      transfer(all.subspan(at, std::min<std::uint64_t>(kSplitBytes, all.size() - at)));
  }

  void note(std::span<const DeviceSend> sends, std::span<const DeviceReceive> receives) {
    std::uint64_t bytes = 0;
    for (const DeviceSend& send : sends) {
      bytes += send.data.size();
      if (send.to != host_.rank()) bytes_sent_ += send.data.size();
    }
    for (const DeviceReceive& receive : receives) bytes += receive.buffer.size();
    last_ = {last_.number + 1, sends.size(), receives.size(), bytes};
  }

  /// Waits for `poll`; when it fails or lasts too long, the job ends here.
  void watch(const std::function<Progress()>& poll) {
    try {
      if (detail::poll_until_done(poll, watchdog_)) return;
      fail(ExitStatus::kIo,
           "waited {} s for other ranks: a rank or the network hangs; run.watchdog_seconds sets the limit",
           watchdog_.count());
    } catch (const Error& error) {
      end_job(error);
    }
  }

  template <class View>
  void wait_for(const View& work) {
    watch([&] {
      (void)progress_of(handle_);  // throws on an error of a transfer
      host_.progress();
      return work.is_done() ? Progress::kDone : Progress::kPending;
    });
  }

  void say(const char* what) const {
    log::write(log::Level::kError, fmt::format("rank {}, device {}: {}; the last transfer was {}", host_.rank().value(),
                                               device_.index(), what, last_.describe()));
  }

  [[noreturn]] void end_job(const Error& error) {
    say(error.what());
    abort_quietly();
    MpiSession::abort(static_cast<int>(error.status()));
  }

  /// The orderly end: false when a peer does not take part in it.
  bool close() noexcept {
    try {
      TESSERA_NCCL_TRY(ncclCommFinalize(handle_), handle_);
      if (!detail::poll_until_done([this] { return progress_of(handle_); }, kAbortTime)) return false;
      return ncclCommDestroy(std::exchange(handle_, nullptr)) == ncclSuccess;
    } catch (...) {
      return false;
    }
  }

  /// ncclCommAbort itself hangs in some versions, so it gets a thread and a few seconds.
  void abort_quietly() noexcept {
    const ncclComm_t handle = std::exchange(handle_, nullptr);
    if (handle == nullptr) return;
    try {
      (void)detail::run_detached([handle] { (void)ncclCommAbort(handle); }, kAbortTime);
    } catch (...) {  // NOLINT(bugprone-empty-catch): no thread could be made, and the end is near
    }
  }

  Communicator& host_;
  device::Device device_;
  std::chrono::seconds watchdog_;
  ncclComm_t handle_ = nullptr;
  std::uint64_t bytes_sent_ = 0;
  detail::LastTransfer last_;
};

}  // namespace

bool built_with_nccl() { return true; }

std::unique_ptr<DeviceCommunicator> make_nccl_communicator(Communicator& host, device::Device device,
                                                           std::chrono::seconds watchdog) {
  check_locations(host, device);
  // From here on every rank is ready: one that failed alone would leave the others waiting inside NCCL.
  const ncclUniqueId id = agree_on_id(host);
  auto communicator = std::make_unique<NcclCommunicator>(host, device, watchdog);
  together(host, [&] { communicator->connect(id); });
  return communicator;
}

}  // namespace tessera::comm
