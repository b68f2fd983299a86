// Everything of dunlin that handlers use. Each header can be included alone, too.
#pragma once

#include <dunlin/loop/clock.hpp>
#include <dunlin/loop/descriptor.hpp>
#include <dunlin/loop/random.hpp>
#include <dunlin/loop/remote.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/net/buffer.hpp>
#include <dunlin/net/endpoint.hpp>
#include <dunlin/net/tcp_listener.hpp>
#include <dunlin/net/tcp_socket.hpp>
#include <dunlin/result.hpp>
#include <dunlin/sys/epoll.hpp>
#include <dunlin/sys/error.hpp>
#include <dunlin/sys/fd.hpp>
#include <dunlin/task/background.hpp>
#include <dunlin/task/for_each.hpp>
#include <dunlin/task/interval.hpp>
#include <dunlin/task/run.hpp>
#include <dunlin/task/scoped_task.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/task/when.hpp>
#include <dunlin/task/yield.hpp>
#include <dunlin/version.hpp>
