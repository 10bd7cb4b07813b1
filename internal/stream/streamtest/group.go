package streamtest

import (
	"context"
	"testing"

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
	client := connect(t, brokers)
	for _, group := range groups {
		described, err := admin(t, brokers).DescribeGroups(ctx, group)
		if err != nil {
			t.Fatalf("describe group %s: %v", group, err)
		}
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Group = group
		for _, member := range described[group].Members {
			if member.ClientID == clientID {
				gone := kmsg.NewLeaveGroupRequestMember()
				gone.MemberID = member.MemberID
				leave.Members = append(leave.Members, gone)
			}
		}
		if len(leave.Members) == 0 {
			continue
		}
		if _, err := leave.RequestWith(ctx, client); err != nil {
			t.Fatalf("expel %s from group %s: %v", clientID, group, err)
		}
	}
}
