package kafkanode

import (
	"fmt"
	"path/filepath"
)

// serverProperties configures one node that is broker and controller. Topics are made by the services, with their
// policies, never by a stray produce; internal topics are small, because one node makes all their partitions; a node that
// was killed is missed soon, because its next start waits for that.
func serverProperties(dataDir, clients, controller string) string {
	return fmt.Sprintf(`process.roles=broker,controller
node.id=1
listeners=CLIENTS://%[1]s,CONTROLLER://%[2]s
advertised.listeners=CLIENTS://%[1]s
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=%[2]s
log.dirs=%[3]s
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
message.max.bytes=16777216
`, clients, controller, filepath.ToSlash(filepath.Join(dataDir, "log")))
}

// loggingProperties keeps warnings and the line that says the node answers.
const loggingProperties = `rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %m (%c{1})%n
logger.started.name=kafka.server.KafkaRaftServer
logger.started.level=INFO
`
