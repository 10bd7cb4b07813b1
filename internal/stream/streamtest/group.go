package streamtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Owner is the client ID of the member of a group to which a partition is assigned; empty when it is nobody's.
func Owner(t testing.TB, brokers []string, group, topic string, partition int32) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), adminTimeout)
	defer cancel()
	described, err := admin(t, brokers).DescribeGroups(ctx, group)
	if err != nil {
		t.Fatalf("describe group %s: %v", group, err)
	}
	for _, member := range described[group].Members {
		if assigned, ok := member.Assigned.AsConsumer(); ok {
			for _, of := range assigned.Topics {
				for _, p := range of.Partitions {
					if of.Topic == topic && p == partition {
						return member.ClientID
					}
				}
			}
		}
	}
	return ""
}

// Expel makes a group forget the members of a client, as it does with those it has not heard of for too long.
func Expel(t testing.TB, brokers []string, clientID string, groups ...string) {
	t.Helper()
	// A clean-up expels as well.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), adminTimeout)
	defer cancel()
	if _, err := TryExpel(ctx, brokers, clientID, groups...); err != nil {
		t.Fatal(err)
	}
}

// TryExpel is [Expel] for goroutines beside the test's own; it tells how many members are gone.
func TryExpel(ctx context.Context, brokers []string, clientID string, groups ...string) (gone int, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return 0, fmt.Errorf("expel %s: %w", clientID, err)
	}
	defer client.Close()
	for _, group := range groups {
		described, err := kadm.NewClient(client).DescribeGroups(ctx, group)
		if err != nil {
			return gone, fmt.Errorf("describe group %s: %w", group, err)
		}
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Group = group
		for _, member := range described[group].Members {
			if member.ClientID == clientID {
				one := kmsg.NewLeaveGroupRequestMember()
				one.MemberID = member.MemberID
				leave.Members = append(leave.Members, one)
			}
		}
		if len(leave.Members) == 0 {
			continue
		}
		if _, err := leave.RequestWith(ctx, client); err != nil {
			return gone, fmt.Errorf("expel %s from group %s: %w", clientID, group, err)
		}
		gone += len(leave.Members)
	}
	return gone, nil
}
