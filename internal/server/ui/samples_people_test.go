package ui_test

import (
	"time"

	"github.com/signet-sign/signet/internal/server/console"
)

// galleryPeople has the states of the console's page of people.
func galleryPeople(now time.Time) []Sample {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	return []Sample{
		{"console-people", 200, console.PeoplePage{
			Admin: true, Person: &console.Person{
				Hint: "•••••373D", Requests: 12, Signed: 7, Calls: 3,
				Phones: []console.PersonPhone{
					{
						ID: "5f0c9a54-9d0e-4a39-8d8c-0d3c35a2c1f5", Name: "Mei's Pixel",
						Serial: "5c1f0a9b3e7d", EnrolledAt: ago(900 * time.Hour),
						State: console.PhoneSigns,
					},
					{
						ID: "b7a1d2e3-1d0e-4a39-8d8c-0d3c35a2c1f5", Name: "New phone",
						Serial: "6d1f0a9b3e7d", EnrolledAt: ago(2 * time.Hour),
						State: console.PhoneWaits, At: ago(-22 * time.Hour),
					},
					{
						ID: "c8a1d2e3-1d0e-4a39-8d8c-0d3c35a2c1f5", Name: "Old iPhone",
						Serial: "7e1f0a9b3e7d", EnrolledAt: ago(9000 * time.Hour),
						State: console.PhoneLeaving, At: ago(-3 * time.Hour),
					},
				},
			},
		}},
		{"console-people-none", 200, console.PeoplePage{
			Admin: true, FourEyes: true, Done: "console.people.done.proposed",
			Person: &console.Person{Hint: "•••••474F"}, Proposals: []console.PersonProposal{
				{
					ID: "1", Kind: "forget", Hint: "•••••373D", Reason: "ticket 4711",
					By: "ops@example.com", At: ago(time.Hour), Own: true,
				},
				{
					ID: "3", Kind: "forget", Hint: "•••••333A", Reason: "ticket 4713",
					By: "desk@example.com", At: ago(3 * time.Hour), Claimed: true,
				},
				{
					ID: "4", Kind: "forget", Hint: "•••••444B", Reason: "ticket 4714",
					By: "desk@example.com", At: ago(4 * time.Hour), Interrupted: true,
				},
				{
					ID: "2", Kind: "lift", Hint: "•••••373D",
					PhoneID: "b7a1d2e3-1d0e-4a39-8d8c-0d3c35a2c1f5", Reason: "ticket 4712",
					By: "desk@example.com", At: ago(2 * time.Hour),
				},
			},
		}},
		{"console-people-viewer", 200, console.PeoplePage{}},
		{"console-people-wrong", 422, console.PeoplePage{
			Admin: true, Problem: "console.people.problem.uin",
		}},
		{"console-people-refused", 409, console.PeoplePage{
			Admin: true, FourEyes: true, Problem: "console.people.problem.active",
			Active: "signv3-0199cc9c: the request is in progress", Person: &console.Person{
				Hint: "•••••373D", Requests: 1, Active: []string{
					"signv3-0199cc9c: the request is in progress",
				}, Phones: []console.PersonPhone{{
					ID: "b7a1d2e3-1d0e-4a39-8d8c-0d3c35a2c1f5", Name: hostileName,
					State: console.PhoneWaits, EnrolledAt: now, At: now,
				}},
			},
		}},
	}
}
